"""A whole session of paho's Python client, for 3.1.1 and 5: python3 paho-python.py PORT. One line for each that passes."""

import sys
import threading

import paho.mqtt.client as mqtt

MESSAGES = 200
TIMEOUT_SECONDS = 20


def session(protocol, qos, port):
    received, done, subscribed = [], threading.Event(), threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"python-{protocol}-{qos}", protocol=protocol)
    topic = f"python/{int(protocol)}/{qos}"

    def on_message(_client, _userdata, message):
        received.append(int(message.payload))
        if len(received) == MESSAGES:
            done.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_connect = lambda *_: client.subscribe(topic, qos)
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert subscribed.wait(TIMEOUT_SECONDS), "never subscribed"
    for number in range(MESSAGES):
        client.publish(topic, str(number), qos)
    assert done.wait(TIMEOUT_SECONDS), f"{len(received)} of {MESSAGES} came"
    assert received == list(range(MESSAGES)), "out of order"
    client.disconnect()
    client.loop_stop()


for protocol in (mqtt.MQTTv311, mqtt.MQTTv5):
    for qos in (0, 1, 2):
        session(protocol, qos, int(sys.argv[1]))
        print(f"pass {int(protocol)} {qos}", flush=True)

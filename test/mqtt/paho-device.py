"""A device on paho's Python client: python3 paho-device.py HOST PORT TOKEN 4|5. One line of JSON for each step."""

import json
import sys
import threading

import paho.mqtt.client as mqtt

TELEMETRY = 10
TIMEOUT_SECONDS = 120

host, port, token, version = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
subscribed, accepted, desired = threading.Event(), threading.Event(), threading.Event()
wanted = {}


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


def on_message(_client, _userdata, message):
    if message.topic.endswith("twin/reported/accepted"):
        accepted.set()
    if message.topic.endswith("twin/desired"):
        wanted.update(json.loads(message.payload))
        if "interval" in wanted:
            desired.set()


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTProtocolVersion(version))
client.username_pw_set(token)
client.on_connect = lambda *_: client.subscribe("v1/devices/me/twin/#", qos=1)
client.on_subscribe = lambda *_: subscribed.set()
client.on_message = on_message
client.connect(host, port)
client.loop_start()
assert subscribed.wait(TIMEOUT_SECONDS), "no SUBACK"
say("subscribed")
for seq in range(1, TELEMETRY + 1):
    client.publish("v1/devices/me/telemetry", json.dumps({"seq": seq}), qos=1 + seq % 2).wait_for_publish(TIMEOUT_SECONDS)
    say("acknowledged", seq=seq)
client.publish("v1/devices/me/twin/reported", json.dumps({"fw": "1.0"}), qos=1)
assert accepted.wait(TIMEOUT_SECONDS), "no twin/reported/accepted"
assert desired.wait(TIMEOUT_SECONDS), "no twin/desired"
say("desired", interval=wanted["interval"])
client.disconnect()
client.loop_stop()

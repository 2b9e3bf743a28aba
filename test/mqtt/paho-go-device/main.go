// A device on paho's Go client: paho-go-device HOST PORT TOKEN. One line of JSON for each step.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	telemetry = 10
	timeout   = 120 * time.Second
)

func main() {
	accepted := make(chan struct{}, 16)
	intervals := make(chan float64, 16)
	options := mqtt.NewClientOptions().
		AddBroker(fmt.Sprintf("tcp://%s:%s", os.Args[1], os.Args[2])).
		SetUsername(os.Args[3]).
		SetClientID("paho-go").
		SetOrderMatters(false)
	client := mqtt.NewClient(options)
	done(client.Connect())
	done(client.Subscribe("v1/devices/me/twin/#", 1, func(_ mqtt.Client, message mqtt.Message) {
		if strings.HasSuffix(message.Topic(), "twin/reported/accepted") {
			accepted <- struct{}{}
		}
		if strings.HasSuffix(message.Topic(), "twin/desired") {
			var delta map[string]any
			check(json.Unmarshal(message.Payload(), &delta))
			if interval, ok := delta["interval"].(float64); ok {
				intervals <- interval
			}
		}
	}))
	say(map[string]any{"event": "subscribed"})
	for seq := 1; seq <= telemetry; seq++ {
		done(client.Publish("v1/devices/me/telemetry", byte(1+seq%2), false, fmt.Sprintf(`{"seq":%d}`, seq)))
		say(map[string]any{"event": "acknowledged", "seq": seq})
	}
	done(client.Publish("v1/devices/me/twin/reported", 1, false, `{"fw":"1.0"}`))
	wait(accepted, "twin/reported/accepted")
	say(map[string]any{"event": "desired", "interval": wait(intervals, "twin/desired")})
	client.Disconnect(250)
}

func say(line map[string]any) {
	text, err := json.Marshal(line)
	check(err)
	fmt.Println(string(text))
}

func done(token mqtt.Token) {
	if !token.WaitTimeout(timeout) {
		panic("no acknowledgement")
	}
	check(token.Error())
}

func wait[T any](values <-chan T, what string) T {
	select {
	case value := <-values:
		return value
	case <-time.After(timeout):
		panic("never came: " + what)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Prints the packet cases of mochi-mqtt, one JSON object per line. Cases without bytes are encoded by its own encoder.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"

	"github.com/mochi-mqtt/server/v2/packets"
)

type vector struct {
	Packet  string `json:"packet"`
	Case    byte   `json:"case"`
	Name    string `json:"name"`
	Group   string `json:"group"`
	Bytes   string `json:"bytes"`
	Version byte   `json:"version"`
	Code    int    `json:"code"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for kind, cases := range packets.TPacketData {
		for _, c := range cases {
			v := vector{packets.PacketNames[kind], c.Case, c.Desc, c.Group, "", 4, -1}
			if len(c.RawBytes) == 0 && kind != packets.Connect && c.Packet != nil {
				// Only MQTT 5 can say what these cases are about.
				c.Packet.ProtocolVersion = 5
			}
			v.Bytes = hex.EncodeToString(rawBytes(kind, c))
			if c.Packet != nil && c.Packet.ProtocolVersion != 0 {
				v.Version = c.Packet.ProtocolVersion
			}
			for _, err := range []error{c.Expect, c.FailFirst} {
				if code, ok := err.(packets.Code); ok {
					v.Code = int(code.Code)
				}
			}
			if err := out.Encode(v); err != nil {
				panic(err)
			}
		}
	}
}

func rawBytes(kind byte, c packets.TPacketCase) []byte {
	if len(c.RawBytes) > 0 || c.Packet == nil {
		return c.RawBytes
	}
	pk := c.Packet.Copy(true)
	pk.PacketID = c.Packet.PacketID
	pk.FixedHeader = c.Packet.FixedHeader
	pk.FixedHeader.Type = kind
	encode := map[byte]func(*bytes.Buffer) error{
		packets.Connect: pk.ConnectEncode, packets.Publish: pk.PublishEncode, packets.Puback: pk.PubackEncode,
		packets.Pubrec: pk.PubrecEncode, packets.Pubrel: pk.PubrelEncode, packets.Pubcomp: pk.PubcompEncode,
		packets.Subscribe: pk.SubscribeEncode, packets.Unsubscribe: pk.UnsubscribeEncode, packets.Auth: pk.AuthEncode,
	}[kind]
	buf := new(bytes.Buffer)
	if encode == nil || encode(buf) != nil {
		return nil
	}
	return buf.Bytes()
}

# The floor of the boards' figures: the least that connects, rings and publishes, on the same interpreter, wires and broker, over the
# same TLS. It keeps nothing, repeats nothing, looks after nothing.
import asyncio
import json
import ssl

import machine

POLL_MS = 10
BUTTON, BELL = 32, 4  # button-1 and bell of an esp32_wroom


def field(text):
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    length = bytearray()
    size = len(body)
    while True:
        size, low = size >> 7, size & 127
        length.append(low | (128 if size else 0))
        if not size:
            return bytes([first]) + bytes(length) + body


def publish(topic, payload, number):
    return packet(0x32, field(topic) + number.to_bytes(2, "big") + payload)


async def read_on(reader):
    while await reader.read(64):
        pass


async def run():
    with open("/config.json") as file:
        config = json.load(file)
    button, bell = machine.Pin(BUTTON, machine.Pin.IN, machine.Pin.PULL_UP), machine.Pin(BELL, machine.Pin.OUT, value=0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile="/tls/ca.der")
    context.load_cert_chain("/tls/board.der", "/tls/key.der")
    address = config["brokers"][0]
    reader, writer = await asyncio.open_connection(address["host"], address["port"], ssl=context, server_hostname=config["server_name"])
    top = "keng/1/%s/dev/%s/" % (config["site"], config["device"])
    body = field("MQTT") + bytes([4, 2]) + (600).to_bytes(2, "big") + field(config["device"])
    writer.write(packet(0x10, body))
    await writer.drain()
    await reader.readexactly(4)
    birth = {"v": 1, "online": True, "life": "00000001", "boot": 1}
    writer.write(publish(top + "state", json.dumps(birth).encode(), 1))
    await writer.drain()
    asyncio.create_task(read_on(reader))
    pressed = False
    number = 1
    while True:
        if pressed != (button.value() == 0):
            pressed = not pressed
            bell.value(pressed)
            number += 1
            event = {
                "v": 1,
                "id": "00000001-1-%d" % number,
                "point": "button-1",
                "type": "button",
                "state": "active" if pressed else "clear",
            }
            writer.write(publish(top + "event", json.dumps(event).encode(), number))
            await writer.drain()
        await asyncio.sleep_ms(POLL_MS)


asyncio.run(run())

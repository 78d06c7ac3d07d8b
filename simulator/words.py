"""What a simulation tells on the terminal: Vietnamese, then English, one line for each thing that happens."""

from simulator.script import Step

_SENTENCES = {
    "press": "{device}: nhấn {point} · presses {point}",
    "turn": "{device}: {point} = {value:g}",
    "activate": "{device}: {point} tác động · {point} becomes active",
    "clear": "{device}: {point} trở lại bình thường · {point} becomes clear",
    "take": "{device}: bình chữa cháy được lấy đi · extinguisher taken",
    "put_back": "{device}: bình chữa cháy được trả lại · extinguisher put back",
    "open": "{device}: mở cửa tủ · cabinet opened",
    "close": "{device}: đóng cửa tủ · cabinet closed",
    "smoke": "{device}: đầu báo khói tác động · smoke contact active",
    "smoke_clear": "{device}: hết khói · smoke contact clear",
    "cut_power": "{device}: mất điện · power cut",
    "power": "{device}: có điện · power on",
    "cut_power_at": "{device}: sẽ mất điện ở thao tác flash thứ {operation} · power will be cut at flash operation {operation}",
    "reimage": "{device}: nạp lại bo mạch · re-imaged",
    "advance": "{device}: đồng hồ chạy trước {seconds:g} s · clock jumps {seconds:g} s ahead",
    "cut_wire": "{device}: đứt dây chuông · bell wire cut",
    "mend_wire": "{device}: nối lại dây chuông · bell wire mended",
    "freeze": "{device}: mất sóng · link frozen",
    "thaw": "{device}: có sóng lại · link thawed",
    "cut_link": "{device}: kết nối bị ngắt · connection cut",
    "unplug": "{device}: rút mạng · network unplugged",
    "plug": "{device}: cắm mạng · network plugged in",
    "swallow": "{device}: mạng nuốt gói tin · link swallows bytes",
    "pass": "{device}: mạng bình thường lại · link passes bytes again",
    "delay": "{device}: mạng trễ {seconds:g} s · link delays by {seconds:g} s",
    "kill": "kill -9 {part}",
    "stop": "dừng {part} · {part} stopped",
    "start": "chạy {part} · {part} started",
    "acknowledge": "trực ban tiếp nhận · duty desk acknowledges",
    "silence": "trực ban tắt chuông · duty desk silences",
    "resolve": "trực ban kết thúc: {outcome} · duty desk resolves: {outcome}",
    "set": "{device}: lệnh đổi cấu hình · ordered to change its configuration",
    "webhook": "webhook trả lời {status} · webhook answers {status}",
    "say": "{text}",
}


def told(step: Step) -> str:
    """A step in words."""
    if step.do == "expect":
        return ", ".join(f"{name} = {_shown(value)}" for name, value in step.wanted().items())
    return _SENTENCES[step.do].format(**step.model_dump())


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

"""Communes of any size, written as site files: groups of homes, a board in each, one duty officer, one technician."""

from pathlib import Path

GROUP_SIZE = 12
SITE = "xa-do"
DUTY = "truc-ban"
TECHNICIAN = "ky-thuat"
FLOOR = "floor"  # the user under which a floor tells how many reports it has handled


def board_id(number: int) -> str:
    """The board with this number, from 0."""
    return f"B{number:05d}"


def group_id(number: int) -> str:
    """The group of the board with this number: GROUP_SIZE of them in turn."""
    return f"TLG-{number // GROUP_SIZE:03d}"


def member_id(number: int) -> str:
    """The person in the home with this number, where homes have people: the first of each group."""
    return f"nguoi-{number:05d}"


def write(path: Path, boards: int, *, inhabited: bool = False) -> None:
    """A site of so many boards, one in each home. `inhabited`: somebody of each group has an account at the console."""
    # Its groups lie closer together than real ones, and each alarm shall be a fire of its own.
    parts = [f'[site]\nid = "{SITE}"\nname = "Xã Đo"\n\n[policy]\nneighbours_m = 0\n']
    parts += [f'[[groups]]\nid = "{group_id(first)}"\nname = "Tổ liên gia {group_id(first)}"\n' for first in range(0, boards, GROUP_SIZE)]
    parts += [_home(number) for number in range(boards)]
    parts += [f'[[boards]]\nid = "{board_id(number)}"\nkind = "household"\nplace = "H{number:05d}"\n' for number in range(boards)]
    parts += [f'[[people]]\nid = "{DUTY}"\nname = "Trực ban"\nrole = "duty"\n']
    parts += [f'[[people]]\nid = "{TECHNICIAN}"\nname = "Kỹ thuật"\nrole = "technician"\n']
    parts += [_member(number) for number in range(0, boards if inhabited else 0, GROUP_SIZE)]
    path.write_text("\n".join(parts), encoding="utf-8")


def _home(number: int) -> str:
    return (
        f'[[homes]]\nid = "H{number:05d}"\ngroup = "{group_id(number)}"\nname = "Hộ {number:05d}"\n'
        f'address = "Số {number}, xã Đo"\nlandmark = "cạnh nhà văn hóa"\nway_in = "Vào từ đường Đê, rẽ phải ở cổng làng"\n'
        f"lat = {20.9 + number % 100 * 1e-4:.6f}\nlon = {105.9 + number // 100 * 1e-4:.6f}\n"
    )


def _member(number: int) -> str:
    return (
        f'[[people]]\nid = "{member_id(number)}"\nname = "Người {number:05d}"\nrole = "household"\n'
        f'group = "{group_id(number)}"\nhome = "H{number:05d}"\n'
    )

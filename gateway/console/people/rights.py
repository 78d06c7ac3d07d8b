"""Who may see and do what in the console: tables, to be read against the requirements. Pure.

Name, role and territory come from the site file. The engine judges every order by the same file once more: see gateway/domain/policy.py.
"""

from typing import Literal, NamedTuple

from protocol.people import FIRST_ADMINISTRATOR, Role
from protocol.site import Site

# desk: incidents, history and their records. upkeep: maintenance log and boards. orders: decide about incidents. group: the page of a
# group. people: accounts and the record of who did what. own: one's own account.
Area = Literal["desk", "upkeep", "orders", "group", "people", "own"]

AREAS: dict[Role, tuple[Area, ...]] = {
    "duty": ("own", "desk", "upkeep", "orders", "group"),
    "chief": ("own", "desk", "upkeep", "orders", "group"),
    "technician": ("own", "desk", "upkeep", "group"),
    "viewer": ("own", "desk", "upkeep", "group"),
    "leader": ("own", "group"),
    "team": ("own", "group"),
    "household": ("own", "group"),
    "administrator": ("own", "people"),
}
# Whose territory is the whole site; the others' is their own group.
SITE_WIDE: tuple[Role, ...] = ("duty", "chief", "technician", "viewer")


class Who(NamedTuple):
    """Somebody who has an account. `group` and `home`: where that person belongs."""

    id: str
    name: str
    role: Role
    group: str | None
    home: str | None

    def may(self, area: Area) -> bool:
        """True if the role opens this part of the console."""
        return area in AREAS[self.role]

    def may_see_group(self, group: str) -> bool:
        """True for a group in the person's territory."""
        return self.may("group") and (self.role in SITE_WIDE or group == self.group)

    @property
    def sees_phones(self) -> bool:
        """Who is responsible for people may call them."""
        return self.role in ("duty", "chief", "leader")


def who(site: Site, account: str) -> Who | None:
    """Whom an account is for; None if the site file does not name that person any more."""
    person = site.person(account)
    if person is not None:
        return Who(person.id, person.name, person.role, person.group, person.home)
    if account == FIRST_ADMINISTRATOR:
        return Who(account, "", "administrator", None, None)
    return None

"""Saves write no default of their own, and keep what a list's elements held."""

import pickle
from collections.abc import Callable
from copy import copy
from typing import Any

from pymodels.storage import BaseStorage
from pymodels.testing.each import each
from pymodels.testing.models import Booking, Label, Person, Size, Ticket

FIRST = {"seat": "1a", "price": 5, "number": 1, "gate": "north", "stubs": []}
SECOND = {"seat": "1b", "price": 6, "gate": {"name": "south", "open": True}}
THIRD = {
    "seat": "1c",
    "gate": "east",
    "stubs": [{"text": "left", "torn": False}, {"text": "right", "torn": True}],
}
TICKETS = [FIRST, SECOND, THIRD]


# What loading made up.


def test_what_loading_made_up_is_not_written(storage: BaseStorage) -> None:
    record = {"name": "Ada", "tickets": [{"seat": "1a"}], "stamped": "x"}
    storage["a"] = record
    one = storage.get(Booking, "a")
    assert one.stamped == "x!"
    one.save()
    assert storage["a"] == record
    one.name = "Grace"
    one.save()
    one.save()
    storage.save_many([one])
    assert storage["a"] == {**record, "name": "Grace"}


def test_a_made_up_default_does_not_replace_another_writers_value(
    storage: BaseStorage,
) -> None:
    storage["a"] = {"name": "Ada"}
    one, other = storage.get(Booking, "a"), storage.get(Booking, "a")
    other.token = 77
    other.save()
    one.name = "Grace"
    one.save()
    assert storage["a"] == {"name": "Grace", "token": 77}


def test_what_was_assigned_is_written_though_it_was_made_up(
    storage: BaseStorage,
) -> None:
    storage["a"] = {"name": "Ada", "stamped": "x"}
    one = storage.get(Booking, "a")
    token, one.token = one.token, one.token
    one.save()
    assert storage["a"] == {"name": "Ada", "stamped": "x", "token": token}
    one.refresh()
    one.save()
    assert storage["a"] == {"name": "Ada", "stamped": "x", "token": token}
    vars(one)["stamped"] = "changed in place"
    one.save()
    assert storage["a"]["stamped"] == "changed in place"


def test_a_new_instance_that_is_saved_again_writes_nothing(
    storage: BaseStorage,
) -> None:
    one = Booking(name="Ada", tickets=[Ticket(seat="1a")], stamped="x")
    key = one.save(storage)
    saved = storage[key]
    storage[key] = {**saved, "name": "Other", "token": 0}
    one.save()
    assert storage[key] == {**saved, "name": "Other", "token": 0}


def test_copies_are_assigned_to_by_themselves(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada"}
    one = storage.get(Booking, "a")
    other = copy(one)
    other.token = one.token
    one.save()
    assert storage["a"] == {"name": "Ada"}
    pickle.loads(pickle.dumps(other)).save(storage)
    assert storage["a"] == {"name": "Ada", "token": one.token}


def test_a_converted_instance_writes_what_was_overridden(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada", "tickets": TICKETS}
    person = storage.get(Person, "a")
    person.convert_to(Booking).save()
    assert storage["a"] == {"name": "Ada", "tickets": TICKETS}
    person.name = "Grace"
    person.convert_to(Booking, token=5).save()
    assert storage["a"] == {"name": "Grace", "tickets": TICKETS, "token": 5}


def test_what_was_rolled_back_is_still_a_change(transactional: BaseStorage) -> None:
    transactional["a"] = {"name": "Ada", "tickets": TICKETS}
    one = transactional.get(Booking, "a")
    one.token = 5
    one.tickets[0].price = 9
    try:
        with transactional.transaction():
            one.save()
            loaded = transactional.get(Booking, "a")
            raise KeyError
    except KeyError:
        pass
    assert transactional["a"] == {"name": "Ada", "tickets": TICKETS}
    one.save()
    written = [{**FIRST, "price": 9}, SECOND, THIRD]
    assert transactional["a"] == {"name": "Ada", "tickets": written, "token": 5}
    loaded.save()
    assert transactional["a"]["tickets"][1:] == [SECOND, THIRD]


# What the model does not know of a list's elements.


def _rebuilt(tickets: list[Ticket]) -> None:
    tickets[:] = [Ticket.model_validate(one.model_dump()) for one in tickets]
    tickets.append(Ticket(number=0))


def _changed(tickets: list[Ticket]) -> None:
    tickets[1].price = 7
    tickets[2].price = 1
    tickets[2].stubs[1]["text"] = "middle"
    tickets[2].stubs.insert(0, Label(text="new"))


def _moved(tickets: list[Ticket]) -> None:
    tickets.reverse()
    tickets[0].seat = "2c"


NEW = {"seat": "", "price": 0, "number": 0, "stubs": []}
STUBS: Any = THIRD["stubs"]
Steps = Callable[[list[Ticket]], Any]
CHANGES: list[tuple[Steps, list[Any]]] = [
    (lambda tickets: tickets.append(Ticket(number=0)), [*TICKETS, NEW]),
    (lambda tickets: tickets.insert(1, Ticket(number=0)), [FIRST, NEW, SECOND, THIRD]),
    (lambda tickets: tickets.pop(0), [SECOND, THIRD]),
    (lambda tickets: tickets.clear(), []),
    (_rebuilt, [*TICKETS, NEW]),
    (_moved, [{**THIRD, "seat": "2c"}, SECOND, FIRST]),
    (
        _changed,
        [
            FIRST,
            {**SECOND, "price": 7},
            {
                **THIRD,
                "price": 1,
                "stubs": [{"text": "new"}, STUBS[0], {**STUBS[1], "text": "middle"}],
            },
        ],
    ),
]


@each("change expected", CHANGES, ids=lambda one: getattr(one, "__name__", ""))
def test_elements_keep_what_the_model_does_not_know(
    storage: BaseStorage, change: Steps, expected: list[Any]
) -> None:
    storage["a"] = {"name": "Ada", "tickets": TICKETS, "odd": 1}
    one = storage.get(Booking, "a")
    change(one.tickets)
    one.save()
    assert storage["a"] == {"name": "Ada", "tickets": expected, "odd": 1}
    one.tickets.append(Ticket(number=0))
    one.save()
    assert storage["a"]["tickets"] == [*expected, NEW]


def test_elements_of_other_sorts_keep_it_too(storage: BaseStorage) -> None:
    storage["a"] = {"name": "Ada", "sizes": [{"width": 1, "unit": "m"}, {"width": 2}]}
    one = storage.get(Booking, "a")
    one.sizes[0].width = 3
    one.sizes.append(Size(4))
    one.save()
    written = [{"width": 3, "unit": "m"}, {"width": 2}, {"width": 4, "height": 0}]
    assert storage["a"] == {"name": "Ada", "sizes": written}

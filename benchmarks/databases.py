"""The databases that are measured: who contends, how durable writes are, the goals."""

from dataclasses import dataclass, field

OURS = "pymodels"


@dataclass(frozen=True)
class Database:
    """One database.

    ``contenders`` names the class of each, as "module:class"; the first is what the
    others are compared with. ``server`` is what has to be started. ``goals`` are of
    PyModels, as multiples of the first contender's processor time.
    """

    title: str
    durability: str
    contenders: dict[str, str]
    server: str = ""
    goals: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Peers that do not contend, with the reason."""


DATABASES = {
    "memory": Database(
        "Memory",
        "nothing is written to a disk",
        {
            "raw": "contenders.memory:Raw",
            OURS: "contenders.memory:Ours",
        },
    ),
    "sqlite": Database(
        "SQLite",
        "WAL and synchronous=FULL: every commit waits for the disk",
        {
            "raw": "contenders.sqlite:Raw",
            OURS: "contenders.sqlite:Ours",
            "django": "peers.django_orm:Django",
            "sqlalchemy": "peers.sqlalchemy_orm:SqlAlchemy",
            "peewee": "peers.peewee_orm:Peewee",
            "pony": "peers.pony_orm:Pony",
            "sqlite-utils": "peers.sqlite_utils_tables:SqliteUtils",
        },
        goals={
            "single": 1.5,
            "bulk": 1.4,
            "instances": 1.0,
            "get": 1.5,
            "save": 2.0,
            "scan": 0.95,
            "list": 0.9,
            "filter": 0.8,
            "count": 0.8,
            "filter_indexed": 1.0,
            "count_indexed": 1.0,
            "narrow": 2.5,
            "delete": 1.2,
        },
    ),
    "tokyo_cabinet": Database(
        "Tokyo Cabinet",
        "no write waits for the disk (the library's default)",
        {
            "raw": "contenders.tokyo_cabinet:Raw",
            OURS: "contenders.tokyo_cabinet:Ours",
        },
        goals={"bulk": 1.3, "get": 1.4, "scan": 1.0, "count": 1.05},
    ),
    "tokyo_tyrant": Database(
        "Tokyo Tyrant (`pymodels serve`)",
        "no write waits for the disk (the library's default)",
        {
            "raw": "contenders.tokyo_tyrant:Raw",
            OURS: "contenders.tokyo_tyrant:Ours",
        },
        server="tyrant",
        goals={"bulk": 1.4, "get": 1.3, "scan": 1.4, "count": 1.05},
    ),
    "mongodb": Database(
        "MongoDB",
        'one server; w="majority": every write waits for the journal',
        {
            "raw": "contenders.mongodb:Raw",
            OURS: "contenders.mongodb:Ours",
            "mongoengine": "peers.mongoengine_odm:MongoEngine",
            "beanie": "peers.beanie_odm:Beanie",
            "odmantic": "peers.odmantic_odm:Odmantic",
        },
        server="mongod",
        goals={
            "single": 1.15,
            "bulk": 1.5,
            "instances": 1.1,
            "get": 1.12,
            "save": 1.2,
            "scan": 0.8,
            "filter": 1.35,
            "count": 1.05,
            "filter_indexed": 1.4,
            "count_indexed": 1.05,
            "page": 1.2,
            "delete": 1.05,
        },
    ),
}

"""Keeps a copy of all users in a SQLite file."""

import json
import sqlite3
import time

from rollbook_client import ConnectionFailed, PositionExpired, Rollbook

client = Rollbook(url="http://127.0.0.1:8000")  # the key is in ROLLBOOK_KEY
copy = sqlite3.connect("copy.db")
copy.execute("CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, content TEXT)")
copy.execute("CREATE TABLE IF NOT EXISTS position (value TEXT)")


def store(user):
    copy.execute("INSERT OR REPLACE INTO users VALUES (?, ?)", (user.id, json.dumps(user.to_dict())))


def go_on_from(position):
    copy.execute("DELETE FROM position")
    copy.execute("INSERT INTO position VALUES (?)", (position,))


def read_snapshot():
    with copy:  # one transaction
        copy.execute("DELETE FROM users")
        for number, page in enumerate(client.users.list(fields=["*"]).pages()):
            if number == 0:
                go_on_from(page.event_position)
            for user in page:
                store(user)


def follow(position):
    for event in client.events.follow(position, types=["user.*"]):
        with copy:
            if event.type in ("user.deleted", "user.purged") or event.object.erased:
                copy.execute("DELETE FROM users WHERE id = ?", (event.object.id,))
            else:
                store(event.object)
            go_on_from(event.id)


while True:
    position = copy.execute("SELECT value FROM position").fetchone()
    try:
        if position is None:
            read_snapshot()
        else:
            follow(position[0])
    except PositionExpired:
        with copy:
            copy.execute("DELETE FROM position")
    except ConnectionFailed:
        time.sleep(1)

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

URL = "http://127.0.0.1:8000/v1/events/stream?type=user.*"
PLACE, NEW = Path("last-event-id"), Path("last-event-id.new")


def handle(event):
    print(event["type"], event["id"], flush=True)


def follow():
    headers = {"Authorization": f"Bearer {os.environ['ROLLBOOK_KEY']}"}
    if PLACE.exists():
        headers["Last-Event-ID"] = PLACE.read_text()
    with urllib.request.urlopen(urllib.request.Request(URL, headers=headers), timeout=60) as stream:
        kind, id, data = "", "", ""
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                id = value
            elif name == "data":
                data += value
            elif line == b"\n":
                if kind == "end":
                    print(json.loads(data)["error"])
                elif "." in kind:
                    handle(json.loads(data))
                if id:
                    NEW.write_text(id)
                    NEW.replace(PLACE)  # in one step, since the program can be killed at any time
                kind, id, data = "", "", ""


while True:
    try:
        follow()
    except urllib.error.HTTPError as problem:
        if problem.code < 500 and problem.code != 429:
            raise SystemExit(problem.read().decode()) from None
    except (OSError, http.client.HTTPException):
        pass  # the connection was lost
    time.sleep(1)

"""Writes the vectors beside it: `python -m tests.vectors.make`. For whoever writes a client or checks a log.

* `chain.json`: the hash over an event, part by part, and one sealed event opened.
* `histories/*.json`: `events` as `/sync` shows them; `states`: what the query API and `/sync?fold=true` answer after
  some of them. Times, ids and bytes are the same at every run.
"""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain import stored_form
from domain.chain import GENESIS, event_hash
from domain.events import Who
from domain.mailbox_state import MailboxState
from infra.sealing import message_key
from infra.store.mapper import keyed_message
from tests.domain.histories import History, public_page, random_history, rich_history

FOLDER = Path(__file__).parent
MAILBOX = "m00000000000000000000"
SECRET = bytes(range(32))
SALT = bytes(range(100, 116))
WHO = Who(actor="owner", client="vectors", protocol="http", address="192.0.2.1", command_id="c1")
Json = dict[str, Any]


def histories() -> dict[str, History]:
    """By the name of their file."""
    return {"rich": rich_history(), **{f"random-{seed}": random_history(seed) for seed in (1, 2)}}


def history_vector(history: History) -> Json:
    """The events in public form, and the answers after some of them."""
    seqs = [*range(30, history.head, 30), history.head]
    states = {seq: MailboxState.replay(history.events[:seq]) for seq in seqs}
    return {
        "events": public_page(history, limit=history.head)["events"],
        "states": [state_vector(states[seq], since=before) for before, seq in zip([0, *seqs], seqs, strict=False)],
    }


def state_vector(state: MailboxState, *, since: int) -> Json:
    """All that a client can ask at this head; `fold` is `/sync?since=…&fold=true`."""
    return {
        "seq": state.head,
        "messages": state.messages(limit=None),
        "labels": state.labels(),
        "counts": state.counts(),
        "threads": {label or "": state.threads(label, limit=None) for label in (None, *state.counts())},
        "fold": state.changes(since),
    }


def chain_vector() -> Json:
    """The first events of the rich history, sealed under a known secret and known nonces, and chained."""
    before, rows = GENESIS, []
    for recorded in rich_history().events[:8]:
        assert recorded.event is not None
        sections = stored_form.encode(recorded.event, WHO)
        aad = b"%b\0%d\0%b" % (MAILBOX.encode(), recorded.seq, recorded.topic.encode())
        nonce = struct.pack(">4xq", recorded.seq)
        personal = sections.personal
        if personal and keyed_message(recorded.event) is not None:
            own = AESGCM(message_key(SECRET, SALT))
            personal = nonce + own.encrypt(nonce, personal, aad + b"\0personal")
        parts = (sections.structure, personal, sections.who, sections.server)
        plain = struct.pack(">4I", *map(len, parts)) + b"".join(parts)
        sealed = nonce + AESGCM(SECRET).encrypt(nonce, plain, aad)
        facts = {"topic": recorded.topic, "recorded_at": recorded.recorded_at, "key_id": "k1"}
        chained = event_hash(before, MAILBOX, recorded.seq, **facts, sealed=sealed)
        rows.append(
            {
                "seq": recorded.seq,
                **facts,
                "sealed": base64.b64encode(sealed).decode(),
                "salt": SALT.hex() if keyed_message(recorded.event) is not None else None,
                "structure": sections.structure.decode(),
                "personal": sections.personal.decode(),
                "who": sections.who.decode(),
                "server": sections.server.decode(),
                "hash_before": before.hex(),
                "hash": chained.hex(),
            }
        )
        before = chained
    return {"mailbox": MAILBOX, "secret": SECRET.hex(), "events": rows}


def written() -> dict[Path, Json]:
    """Every vector by its file."""
    made = {FOLDER / "histories" / f"{name}.json": history_vector(history) for name, history in histories().items()}
    return made | {FOLDER / "chain.json": chain_vector()}


def plain(vector: Json) -> Json:
    """As it reads from its file."""
    return msgspec.json.decode(msgspec.json.encode(vector))


if __name__ == "__main__":
    for path, vector in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(plain(vector), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

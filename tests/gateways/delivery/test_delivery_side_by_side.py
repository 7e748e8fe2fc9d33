"""Several workers at once, and the loop that a process runs."""

import threading
from concurrent.futures import ThreadPoolExecutor

from gateways.delivery.worker import DeliveryWorker
from tests.post_office import MAIL, PostOffice

MAILS = 40


def test_workers_that_race_deliver_a_senders_repeats_once(office: PostOffice) -> None:
    for _ in range(3):
        for number in range(MAILS):
            office.accept(MAIL % b"%d" % number, "ann@example.test", "carl@example.test")

    def deliver(worker: DeliveryWorker) -> None:
        while worker.run_due():
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, [office.worker(leased_at_once=3 + n) for n in range(4)]))
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    for mailbox_id in ("m1", "m2"):
        assert len(office.inbox(mailbox_id)) == MAILS


def test_the_loop_delivers_and_ends_when_it_is_told_to(office: PostOffice) -> None:
    stop, waits = threading.Event(), threading.Event()

    def wait(_seconds: float) -> None:
        waits.set()
        stop.wait(0.01)

    office.accept(MAIL % b"1", "ann@example.test")
    running = threading.Thread(target=office.worker(wait=wait).run, args=(stop,))
    running.start()
    assert waits.wait(20)
    assert len(office.inbox("m1")) == 1
    stop.set()
    running.join(10)
    assert not running.is_alive()


def test_the_loop_outlives_an_outage_of_the_queue(office: PostOffice) -> None:
    stop, waits = threading.Event(), threading.Event()

    class Flaky:
        """A queue that does not answer the first time."""

        asked = 0

        def __getattr__(self, name: str) -> object:
            if name == "lease" and not self.asked:
                self.asked = 1
                raise OSError("no route to host")
            return getattr(office.queue, name)

    office.accept(MAIL % b"1", "ann@example.test")
    worker = office.worker(queue=Flaky(), outage_pause_s=0.01, wait=lambda _seconds: waits.set())
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    assert waits.wait(20)
    stop.set()
    running.join(10)
    assert len(office.inbox("m1")) == 1

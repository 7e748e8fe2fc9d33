"""What people write to each other in the demonstration: conversations in several languages.

`alice` and `bob` are the two accounts; everybody else lives at example.org and its like (RFC 2606).
"""

from typing import NamedTuple

PEOPLE = {
    "carmen": ("Carmen Ortiz", "carmen@example.org"),
    "dmitri": ("Дмитрий Соколов", "dmitri@example.net"),
    "elif": ("Elif Yılmaz", "elif@example.org"),
    "farid": ("فريد حداد", "farid@example.net"),
    "greta": ("Greta Müller", "greta.mueller@example.com"),
    "hiro": ("佐藤 弘", "hiro@example.com"),
    "ines": ("Inês Carvalho", "ines@example.org"),
    "jun": ("김준", "jun@example.net"),
    "katerina": ("Κατερίνα Παππά", "katerina@example.org"),
    "li": ("李娜", "li.na@example.com"),
    "marc": ("Marc Lefèvre", "marc@example.com"),
    "nora": ("Nora Quinn", "nora@example.net"),
}
"""Name and address by short name."""


class Said(NamedTuple):
    """One message of a conversation: who writes, what; replies follow each other."""

    who: str
    text: str


class Conversation(NamedTuple):
    """A conversation: its subject, who takes part, what is said in turn, and where each account files it."""

    subject: str
    between: tuple[str, ...]
    said: tuple[Said, ...]
    label: str = ""
    attached: str = ""


CONVERSATIONS = (
    Conversation(
        "Lunch on Thursday?",
        ("alice", "bob"),
        (
            Said("bob", "Hi Alice,\n\nthe noodle place by the canal has opened again. Thursday at noon?\n\nBob"),
            Said("alice", "Gladly! Could we say half past twelve? I have a call that always runs late."),
            Said("bob", "12:30 it is. I booked the table by the window."),
        ),
    ),
    Conversation(
        "Harbour project: figures for the third quarter",
        ("alice", "bob", "nora"),
        (
            Said(
                "nora",
                "Dear both,\n\nthe figures are attached. Two things stand out: freight is 4 % below plan, and the new"
                " crane paid for itself in eleven months.\n\nCould you look at sheet 2 before Monday?\n\nNora",
            ),
            Said("alice", "Thank you, Nora. Row 31 counts the pilot twice, I think. Otherwise this looks right to me."),
            Said("nora", "You are right, corrected. New version below."),
            Said("bob", "Read and agreed. I will put it on the agenda."),
        ),
        label="Work/Harbour",
        attached="figures.csv",
    ),
    Conversation(
        "Your talk in Lisbon",
        ("alice", "ines"),
        (
            Said("ines", "Olá Alice!\n\nO comitê aceitou a tua proposta. Tens 40 minutos, com perguntas.\n\nInês"),
            Said("alice", "Wonderful news! I will send the final title by Friday. Obrigada!"),
            Said("ines", "Perfeito. O hotel fica a cinco minutos a pé; segue em anexo a confirmação."),
        ),
        label="Travel",
        attached="confirmation.pdf",
    ),
    Conversation(
        "Über die Brücke",
        ("alice", "greta"),
        (
            Said("greta", "Liebe Alice,\n\ndie Fotos von der Brücke sind da – schöner, als ich dachte. Größe: 4 MB.\n"),
            Said("alice", "Liebe Greta, sie sind großartig! Das dritte hängt jetzt über meinem Schreibtisch."),
        ),
        attached="bridge.png",
    ),
    Conversation(
        "来週の打ち合わせについて",
        ("alice", "hiro"),
        (
            Said(
                "hiro",
                "アリスさん\n\n来週の打ち合わせですが、火曜日の午後はいかがでしょうか。\n\n佐藤",
            ),
            Said("alice", "佐藤さん\n\n火曜日の午後三時でお願いいたします。資料は前日までにお送りします。"),
            Said("hiro", "承知いたしました。会議室を予約しておきます。"),
        ),
        label="Work",
    ),
    Conversation(
        "周末的茶会",
        ("bob", "li"),
        (
            Said("li", "鲍勃你好，\n\n周六下午我们在老城区喝茶，你和爱丽丝一起来吗？\n\n李娜"),
            Said("bob", "谢谢邀请！我会带上从杭州买的龙井。三点见。"),
        ),
    ),
    Conversation(
        "서울 출장 일정",
        ("alice", "jun"),
        (
            Said("jun", "안녕하세요 앨리스 님,\n\n출장 일정을 보내 드립니다. 호텔은 시청역 근처입니다.\n\n김준"),
            Said("alice", "감사합니다! 일정이 아주 좋네요. 공항에서 뵙겠습니다."),
        ),
        label="Travel",
        attached="schedule.txt",
    ),
    Conversation(
        "Отчёт о поездке",
        ("bob", "dmitri"),
        (
            Said("dmitri", "Привет, Боб!\n\nОтчёт готов, остались только фотографии. Пришлю завтра.\n\nДима"),
            Said("bob", "Спасибо! Торопиться некуда, хватит и пятницы."),
            Said("dmitri", "Отлично. Тогда добавлю ещё карту маршрута."),
        ),
    ),
    Conversation(
        "الكتاب الذي سألت عنه",
        ("alice", "farid"),
        (
            Said("farid", "مرحبا أليس،\n\nوجدت الكتاب الذي سألت عنه في مكتبة قرب الجامعة. هل أرسله لك؟\n\nفريد"),
            Said("alice", "شكرا جزيلا يا فريد! نعم، من فضلك."),
        ),
    ),
    Conversation(
        "Η συνταγή",
        ("alice", "katerina"),
        (
            Said("katerina", "Καλημέρα Αλίκη,\n\nη συνταγή της γιαγιάς: δύο φλιτζάνια αλεύρι, ένα κουταλάκι κανέλα…"),
            Said("alice", "Ευχαριστώ! Το σπίτι μυρίζει υπέροχα."),
        ),
    ),
    Conversation(
        "Réunion de copropriété",
        ("bob", "marc"),
        (
            Said("marc", "Bonjour,\n\nla réunion aura lieu le 12 à 18 h 30. Vous trouverez l'ordre du jour ci-joint."),
            Said("bob", "Bonjour Marc, j'y serai. Pourrait-on ajouter la question du vélo-garage ?"),
            Said("marc", "C'est noté, point 7."),
        ),
        attached="agenda.pdf",
    ),
    Conversation(
        "Bisikletin anahtarı",
        ("bob", "elif"),
        (
            Said("elif", "Selam Bob, bisikletin anahtarı bende kalmış. Yarın ofise bırakayım mı?"),
            Said("bob", "Çok iyi olur, teşekkürler! Öğleden sonra oradayım."),
        ),
    ),
    Conversation(
        "Contrato de alquiler",
        ("alice", "carmen"),
        (
            Said("carmen", "Hola Alice:\n\nte adjunto el contrato firmado. El depósito llegó el lunes.\n\nCarmen"),
            Said("alice", "¡Muchas gracias, Carmen! Lo he archivado."),
        ),
        label="Receipts",
        attached="contract.pdf",
    ),
    Conversation(
        "Release 2.4: what is left",
        ("bob", "alice", "nora", "hiro"),
        (
            Said("bob", "Left for 2.4:\n\n- the import of old archives\n- two translations\n- the upgrade notes\n"),
            Said("hiro", "The Japanese translation is done; one term is open: 「受信箱」 or 「受信トレイ」?"),
            Said("alice", "「受信トレイ」 is what people know. I take the upgrade notes."),
            Said("nora", "I tried the import with my own twelve years of mail. It took a coffee. Nothing was missing."),
            Said("bob", "Then we release on Tuesday. Thank you all!"),
        ),
        label="Work",
    ),
)

"""What mail servers say when they refuse: phrases of the large systems and providers, by what they mean for an address.

All are written in lower case and searched for in text whose white space is collapsed, so that a folded reply matches.
"""

import re
from collections.abc import Iterable


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(phrases))


FULL = _any_of(
    (
        r"(?:over|exceed\w*|out of|disk|beyond|mailbox|user) ?(?:the |their |its |his |storage |disk |"
        r"allowed )*quota",
        r"quota (?:has been )?(?:exceed|violat|limit|full)",
        r"(?:mailbox|mail ?box|inbox|account|mail ?drop|maildir|storage|folder) (?:is |was |has been |"
        r"for \S+ is )?full",
        r"full (?:mailbox|inbox)",
        r"(?:mailbox|account|storage|recipient|user)[^.;]{0,40} (?:has )?exceed\w* (?:its |the |his |their |"
        r"storage |mailbox )*(?:size|limit|space|capacity|storage|allocat|disk)",
        r"exceeded (?:the )?(?:storage|mailbox|disk|space) (?:limit|allocation|space)",
        r"(?:insufficient|not enough|no more|out of) (?:system |disk |mailbox )?(?:storage|space|"
        r"room)(?! for domain)",
        r"mailbox size limit|mailbox (?:over|exceed)|overquota|storage limit|too much mail",
        r"voll(?:es)? postfach|postfach .{0,20}voll|bo[iî]te .{0,30}pleine|buz[oó]n .{0,20}lleno",
    )
)
"""The mailbox is there, and takes nothing at present."""

SHUT = _any_of(
    (
        r"(?:account|mailbox|user\S*|recipient)[^.;]{0,40} (?:is|was|has been|been|are) (?:currently |"
        r"temporarily )*(?:disabled|suspended|locked|frozen|discontinued|on hold|restricted)",
        r"(?:disabled|suspended|locked) (?:account|mailbox|user|recipient)",
        r"account (?:disabled|suspended|locked)",
    )
)
"""Somebody shut the mailbox, perhaps for a while."""

LOCAL_TROUBLE = _any_of((r"procmail|couldn't create|can't create|command died|command output",))
"""A program behind the mailbox failed; what it says of users is of its own."""

MOVED = _any_of(
    (
        r"(?:user|recipient|mailbox|address|account|customer)\S* (?:has |have )?(?:now )?moved",
        r"moved to (?:another|a different|new) (?:server|address|domain)",
        r"has (?:left|changed) (?:the company|address|e-?mail)|no longer (?:on|at) (?:this |the )?server",
        r"not our customer",
    )
)

NO_MAIL_TAKEN = _any_of(
    (
        r"(?:host|domain|server)[^.;]{0,40} (?:does not|doesn't|never) accept\w* (?:any )?(?:e-?)?mail",
        r"null mx|nullmx|(?:mx|srv) record indicated no smtp|smtp protocol returned a permanent error",
        r"mail receiving disabled|not configured to receive|does not like mail at all",
    )
)

SURELY_NOBODY = _any_of(
    (
        r"this user doesn't have an? \S+ account|account that you tried to reach does not exist",
        r"5\.4\.1 .{0,40}recipient address rejected: access denied",  # Exchange Online
        r"because the domain is not reachable",
        r"adresse d(?:estinataire|'au moins un destinataire) invalide",
        r"宛先.{0,20}(?:不明|存在し)|見つかりません|存在しません",
    )
)
"""What is said of nobody but an unknown recipient, whenever it is said."""

NO_SUCH_HOST = _any_of(
    (
        r"(?:host|domain|server|mail ?server|mail ?domain)(?: name)?(?: \S+)? (?:was |is |could )?(?:not|"
        r"be not) (?:be )?(?:found|resolved?|exist|known)",
        r"(?:host|domain|name server|server|mx)(?: \S+)?:? (?:does not|doesn't|did not|do not) exist",
        r"(?:unknown|invalid|illegal|bad|unresolvable|no such|nonexist\w*|non-exist\w*|"
        r"undefined) (?:remote )?(?:mail )?(?:host|domain)\b",
        r"(?:host|domain)(?: name)? (?:unknown|invalid|lookup failed)|(?:host or )?domain name not found",
        r"unrout(?:e)?able (?:mail )?(?:address|domain|recipient)|address family mismatch",
        r"all relevant mx records point to",
        r"couldn't find any host (?:named|by that name)",
        r"can(?:not|'t) find (?:any )?(?:a )?(?:host|domain|mx|mail server|route)",
        r"name (?:service error|or service not known)|nxdomain|domain must resolve|no route to domain",
        r"recipient(?:'s)? domain (?:is )?(?:invalid|unknown|not)|there is no host",
        r"domain you.{0,30}(?:not exist|not found)",
        r"no mx record (?:was |could be )?found|not a valid domain",
        r"mail domain .{0,60}(?:unknown|does not exist)",
        r"domain (?:\S+ )?(?:couldn't|could not|can't|cannot) be found",
        r"lookup failure:? host|no mail server|all hosts? (?:for|of) .{0,60} unknown",
    )
)

NO_SUCH_USER = _any_of(
    (
        r"(?:user|recipient|mailbox|account|address|addressee|box|name|alias|destinat\w+|local ?part|member|"
        r"customer|e-?mail|inbox|directory entry)s?(?: name| address)?(?: \S+)??(?: \S+)? (?:(?:is|was|are|has|"
        r"have|been|could|can|can't|couldn't|does|do|did) ?)*(?:not|n't)? ?(?:be |a |been )*(?:unknown|un-?known|"
        r"invalid|nonexistent|inexistent|non-exist\w*|not (?:be )?(?:found|exist\w*|listed|known|valid|"
        r"recogni[sz]ed|defined|registered|in (?:the |our )?(?:list|directory|domain|system|database)))",
        r"(?:user|recipient|mailbox|account|address|alias|e-?mail)(?: \S+)? (?:does not|doesn't|did not|do not|"
        r"don't|does'nt) (?:exist|have|live|belong)",
        r"(?:user|recipient|mailbox|account)(?: name| address)? (?:unknown|invalid|not (?:found|exist|known|here|"
        r"local\b|valid))",
        r"(?:unknown|un-?known|invalid|illegal|no such|no|nonexist\w*|non-exist\w*|incorrect|bad|not a valid|"
        r"not a known|unrecogni[sz]ed|undeliverable|obsolete) (?:or illegal |final |delivery |virtual |local |"
        r"mail |e-?mail |destination |smtp |forwarding |recipient's )*(?:user(?:id)?|recipients?|mail ?box(?:es)?|"
        r"account|address(?:ee)?|alias|local ?part|person|customer|directory)\b(?! (?:agent|domain))",
        r"(?:no|not) (?:a )?(?:mailbox|account|user|one|body) (?:here|by that name|with (?:that|this) name)",
        r"nobody (?:here )?by that",
        r"(?:doesn't|does not|do not|don't) have (?:an? |any )?(?:\S+ )?(?:account|mailbox|user)",
        r"not have an? yahoo",
        r"(?:is|was|are) not (?:a )?(?:valid|known|recogni[sz]ed|existing|listed|registered) (?:\S+ )?(?:user|"
        r"recipient|mailbox|account|address|name|e-?mail)",
        r"(?:name|user|recipient|address) (?:is )?not (?:recogni[sz]ed|listed in|known)",
        r"not listed in (?:the )?(?:domino|public)",
        r"(?:could|can)(?:not|n't| not) (?:find|locate|verify|match) (?:the |this |a |any )?(?:user|recipient|"
        r"mailbox|account|address)",
        r"email account that you tried to reach (?:does not|is (?:inactive|disabled) and)|recipientnotfound",
        r"recipnotfound",
        r"recipient (?:address )?rejected(?:: (?:user )?unknown|\.?$| ?\(in reply to rcpt)|recipient not found",
        r"address lookup",
        r"(?:mailbox|requested action not taken: mailbox) unavailable(?! (?:due|because|at this|temporar|for))",
        r"(?:account|address|mailbox|user|alias)[^.;]{0,30} (?:no longer|not longer) (?:available|valid|exists?|"
        r"active|in use|accept|monitored|on)",
        r"no longer (?:available|valid|in use|with|employed|works?|an? )",
        r"inactive (?:e-?mail )?(?:address|user|recipient|mailbox)",
        r"delivery failed, invalid|this user doesn't|user \S+ not (?:exist|found)|unknown_user|user_unknown",
        r"unknown-user",
        r"adresse (?:e-?mail )?(?:destinataire |d'au moins un destinataire |\S+ )?(?:invalide|inconnue)",
        r"utilisateur inconnu",
        r"empf[aä]nger .{0,20}unbekannt|existiert nicht|bo[iî]te .{0,20}inexistante|usuario desconocido",
        r"no existe",
        r"destinatario .{0,20}(?:sconosciuto|inesistente)|недоступен|не существует|此用户不存在",
        r"not known at this|isn't in my|not a local (?:user|host|mailbox)|no mailbox (?:by|found)",
        r"badrcptto|vrfy .{0,20}failed|account (?:has been )?(?:deleted|removed|closed|terminated)",
        r"user (?:has been )?deleted",
    )
)

TRY_AGAIN = _any_of((r"try again|temporar|timed? ?out|retry",))

PASSING = _any_of(
    (
        r"spam|spm\b|unsolicited|junk|bulk mail|black ?list|block ?list|blocked|\brbl\b|dnsbl|reputation",
        r"\bban(?:ned|s)?\b",
        r"virus|malware|infected|phish|malicious|attachment|content (?:rejected|filter|restriction)|prohibited",
        r"forbidden",
        r"\bspf\b|\bdkim\b|\bdmarc\b|authenticat|not authori[sz]ed|unauthori[sz]ed|permission|not permitted",
        r"not allowed",
        r"relay(?:ing)?|access denied|policy|policies|security|reverse dns|\bptr\b|ehlo|helo\b|client host",
        r"sender (?:address )?(?:rejected|denied|verif|domain)|mail from|unroutable sender",
        r"rejected (?:due|because|for)|refused (?:due|because|for)",
        r"suspend|disabled|locked|frozen|discontinued|inactive|deactivat|on hold|restricted|quarantin",
        r"rate|throttl|too many|too much|limit(?! exceeded for domain)|temporar|try (?:again )?later|try again",
        r"busy|congest|timed? ?out|timeout|greylist|deferred|unreachable|refused|connection|retry|in progress",
        r"resources|overload|load average|unavailable|could not connect",
        r"(?:message|size|mail) (?:is )?too (?:large|big|long)|size (?:limit|exceed)",
        r"exceeds? (?:the )?(?:maximum|fixed|size|limit)|too (?:large|big)|header|line too long|8bit|format",
        r"rfc ?5?[28]\d2|syntax|loop|hops|system error|local error|mailer error|internal|config|protocol",
        r"failed to|ldap|command|pipe|script|procmail|queue|given up|giving up|expired",
    )
)
"""The address may well be there: it is the message, its sender, the way or the moment that was wrong."""

TAKES_NOTHING_NOW = (FULL, SHUT, LOCAL_TROUBLE)
ALL = (*TAKES_NOTHING_NOW, MOVED, NO_MAIL_TAKEN, SURELY_NOBODY, NO_SUCH_HOST, NO_SUCH_USER, PASSING)

HIDES_FILTERS = frozenset({"docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "i.softbank.jp", "mineo.jp"})
"""Providers whose "unknown user", unless at RCPT, is what their customers' filters answer."""

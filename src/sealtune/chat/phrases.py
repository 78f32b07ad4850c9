"""How people put what they ask for: regular expressions on a sentence in lower case."""


def _any(*ways: str) -> str:
    return "|".join(ways)


# Whole sentences, without the marks at their end.

HELLO = r"(hi|hello|hey|hallo|servus|moin|good (morning|afternoon|evening|day))( there| sealtune)?"
THANKS = _any(
    r"(many )?(thanks?( you)?|thx|cheers|merci|danke)( a lot| very much| so much)?",
    r"(that('s| is| was) )?(great|cool|perfect|nice|awesome|well done|good job|wonderful)",
)
BYE = r"(good)?bye( bye)?|quit|exit|see you( later)?|that('s| is) all"
YES = _any(
    r"y|yes|yep|yeah|sure|ok(ay)?|yes please|do it|go( ahead| for it)?",
    r"start( it)?|run( it)?|proceed",
)
NO = _any(
    r"n|no|nope|no thanks?( you)?|not now|cancel|never ?mind|stop|abort",
    r"don'?t( do it)?|leave it",
)
HELP = _any(
    r"help( me)?|\?+|commands|usage",
    r"what (can|do) (you|i) (do|say|ask|understand)( here)?",
    r"how (does|do) (this|it|you) work|how do i use (this|you|it)",
    r"what are you( for)?|who are you",
)
APPLY = (
    r"(apply|persist|keep|save|install|commit)( (it|that|this|them|the|my|these|those|last|best|"
    r"new|confirmed|results?|gain|settings?|values?|config|session))*( \d{8}-\d{4}-\w+)?"
    r"( (permanent(ly)?|for good|forever|now))*|make (it|that|this|them) permanent"
)

# Parts of a sentence.

POLITE = (
    r"^(((hi|hello|hey|ok(ay)?|so|well|now|then|and|but|please|pls|yes|alright|all right)\b"
    r"[ ,!.]*)|((can|could|would|will) (you|we) (please )?)|"
    r"(i('d| would) (like|want) (you )?to )|(i (want|need) (you )?to )|(let'?s )|"
    r"(go ahead and ))+"
)
TUNE = _any(
    r"\b(optimi\w+|tune|tuning|speed(ing)? ?up|accelerate|boost|improve)\b",
    r"\bmake .*(faster|quicker)|get more (out of|from)|(adjust|configure|set) .*for",
    r"(is|are) (too |so |very )?slow|performance (of|for)",
)
PROPOSE = _any(
    r"(what|which|how) (\w+ ){0,2}(would|should|could) (you|i|we|be)\b",
    r"propose|suggest|recommend|(make|show|give)( me)? (a|the|your) plan|^plan\b",
    r"without running|just (show|plan)|^(what|how) about\b",
)
PROPOSING = (
    r"^(what|how) about\b|"
    r"^(what|which|how)\b.{0,40}?\b(would|should|could) (you|i|we) \w+( \w+)? (for|on|with)\b|"
    r"^(please )?(propose|suggest|recommend|make|show|give)( me)?( (a|the|your))?"
    r"( (plan|settings|parameters|config))? for\b"
)
AGAIN = _any(
    r"\b(try|run|do|go|start|repeat|test|tune|measure)( \w+){0,3} (again|once more|anew)",
    r"\bretry\b|\banother (run|try|attempt|go|round|session)|\brepeat (it|that)\b",
    r"^(again|once more|repeat|same)\b|^(try|run) it\b",
    r"\b(same|this time)\b.*\b(but|with|without|only|for|no|longer)\b",
)
WISH = (
    r"^(without|only|just|except|but|leave|skip|exclude|don'?t (touch|change|tune)|"
    r"do not (touch|change|tune)|hands off|not the|no|for|with|use|at most|in|give it|try|"
    r"nothing but)\b"
)
UNDO = _any(
    r"^(undo|revert|roll ?(it |everything |that )?back|restore|reset|uninstall)\b",
    r"^(put|set|change|turn|take|bring|switch|go) (.*\b)?back\b",
    r"\b(as|how|like) (it|they|everything|things) (was|were) before\b",
)
COMPARE = (
    r"^compar(e|ison|ing)\b|\b\d{4}-\w+ (versus|vs\.?|against|and|with) \d{8}-|"
    r"\bdifferences? between\b.*\b(sessions?|runs?|results?|last|two|them)\b|"
    r"\b(sessions?|runs?|results?)\b.*\b(side by side|compared?)\b"
)
LEARNT = _any(
    r"^(what|which|anything|any|show|tell|list|give|do|did|have|how|summari[sz]e)\b.*"
    r"\b(learn(t|ed|ings?)?|lessons?|remember|experiences?|history)\b",
    r"^(the )?(lessons?|history|memory of|learnings)\b",
    r"^what (worked|helped|failed|did not work)\b",
    r"^(what|which|any|anything|show|list|tell|summari[sz]e)\b.*"
    r"\b(past|earlier|previous|old|former) (sessions?|runs?|results?|tunings?)\b",
    r"^what (have|did) (we|you|i) (\w+ )?(find|found|try|tried|discover\w*|see|seen|know)\b",
    r"^(do|what do) (we|you) (already )?know (anything |something )?about\b",
)
PAST = (
    r"\b(from |in |of )?(past|earlier|previous|old|former) (sessions?|runs?|results?|tunings?)\b"
)
EXPLAIN = _any(
    r"^(explain|show|see|summari[sz]e|describe|print|repeat|interpret|read|what (is|was|were)|"
    r"tell me( more)? about|give me)\b"
    r".*\b(results?|verdict|outcome|sessions?|runs?|numbers|figures|report|gain|findings)\b",
    r"^((the )?(last|latest) )?(results?|verdict|outcome|report|summary)$",
    r"^how (did|does|was) (it|that|the (last )?(run|session|tuning|test))\b( go\w*| look\w*)?",
    r"^(and )?did (it|that|anything) (help|work|improve|change|gain|bring)\b|\bwas it worth\b",
    r"^how (much|sure|certain) (faster|better|of|did|is|was|are)\b",
    r"^why (is|was) (it|there|that) (no|none|worse|unsafe|not|better|faster)",
    r"^why no (gain|improvement)",
)
BENCHMARKS = _any(
    r"^(the )?(list of )?benchmarks?$",
    r"^(which|what|list|show|available|installed|any|all|are there|do you have|give me|name)\b"
    r".*\bbenchmarks?\b",
    r"^how (do|can|would|will) you measure\b",
)
SYSTEM = _any(
    r"^(what|which|show|describe|inspect|check|examine|look at|tell me about|about)\b.*"
    r"\b(this|my|the|your|kind of|sort of) (machine|system|computer|server|box|host|hardware|vm)"
    r"\b(?!.* (for|is used)\b)",
    r"\b(system|machine|hardware) (info\w*|facts|details|overview|specs?)\b",
    r"^(specs|hardware|inspect|facts)$|\bkernel version\b|\bwhat (kernel|cpu|disk|hardware)\b",
    r"\bwhich (kernel|linux|distribution)( version)?\b",
    r"\bhow (much|many) (memory|ram|cpus?|cores?|processors?)\b",
    r"\bis (it|this machine|the machine|anything) (busy|quiet|idle)\b",
)
STATUS = _any(
    r"^status\b|\bstatus$|\bin effect\b|\bcurrent state\b|\bwhat('s| is) going on\b",
    r"\b(what|anything|something|is it|is that|which \w+) (is |are |still |been |was )*"
    r"(applied|changed|active|in force|permanent|kept|running|modified)\b",
    r"\bstill hold(s|ing)?\b|\bdrift(ed)?\b|\bleft (over|behind|changed)\b",
    r"\bhave you changed\b|\bdid you (change|leave)\b",
)
PARAMETERS = r"\b(parameters?|knobs?|sysctls?|tunables?|settings?|options|switches)\b"
LISTING = r"^(list|show|which|what|display|name|all|print|see|give me|are there|available|the)\b"
CAN_TUNE = r"\bwhat (all )?(can|could|may) (you|we|i|be) (tuned?|changed?|adjust(ed)?|touch|set)\b"
WHY = (
    r"^(but )?(why|what (does|do|is|are|'s)|what's|explain|describe|tell me (more )?about|"
    r"how does|how do|meaning of|define|should i (change|touch|set|raise|lower)|is it safe to|"
    r"details (of|on)|info (on|about)|more (on|about)|"
    r"can (i|you) (change|touch|set|raise|lower))\b"
)
QUESTION = (
    r"\?\s*$|^(is|are|does|do|did|was|were|who|when|where|why|how|what|which|can|has|have)\b"
)

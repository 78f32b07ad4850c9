"""How good is what each way of searching recommends after 30, 60 and 120 trials?

    python -m bench.search_quality [--quick] [--seeds N] [--methods a,b] [--surfaces x,y]
    python -m bench.search_quality --table FILE

Modules: what is searched (`grounds`), by whom (`methods`) and with which belief (`priors`), one
search and its judgement (`runs`), many at once (`pool`), the file that finished ones are kept in
(`results`), statistics over them (`figures`) and what is printed (`tables`). The method, and the
rules by which the tables are read, are in docs/search-quality.md.
"""

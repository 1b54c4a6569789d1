"""What GreenletProfiler.py is made of: the interface of GreenletProfiler 0.1 over this package.

    recording.py   what start(), stop() and clear_stats() act on: one recording for the interpreter
    collect.py     profiles -> rows of statistics, on one clock
    stats.py       YFuncStats and its kind: rows that scripts sort, index, print and save
    layout.py      the printed tables
    files.py       ystat, callgrind and pstat files of statistics

Names and layouts are those that scripts know. What differs from 0.1 is said in GreenletProfiler.py.
"""

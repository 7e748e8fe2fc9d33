"""The embedded spam filter: a message is read once (`letter`), rules are asked and tokens taken (`rules`, `tokens`), a
Bayes filter says how often they stood in spam (`bayes`), and `scoring` makes one calibrated score of it.

`filtering` asks it at the door. What it was taught lies behind the port that `learning` names.
"""

"""Statistics: a run as data for mixed models, in R (lme4, brms) and in Python (bambi).

A deterministic model that is asked by 50 "participants" has given one answer, 50 times. Here that
is one row: what varies, and what a conclusion is drawn over, are items and models.
"""

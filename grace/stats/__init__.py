"""Runs in; data for mixed models in R and in Python, and fits of the models, out.

A deterministic model that is asked by 50 "participants" has given one answer, 50 times. Here that
is one row: what varies, and what a conclusion is drawn over, are items and models.
"""

"""The rules of the paper venue, pure: what an order does at a quote; see docs/paper.md."""

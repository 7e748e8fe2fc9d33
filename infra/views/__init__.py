"""The questions of `projections.mailbox_views`, answered from the rows in step."""

"""Filter patterns of CloudWatch Logs: which lines they match, and which patterns are refused.

Page "Filter pattern syntax for metric filters, subscription filters, filter log events, and
Live Tail". `compiling` tells the three kinds apart: `terms` of any text, `conditions` on the
fields of an event, which `events` finds in JSON and between spaces; `patching` puts all of it
where ministack filters.
"""

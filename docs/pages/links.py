"""docs/reference/links.md: what `uses` gives, from compile/links.py."""

from __future__ import annotations

from fairway.compile.links import LINKS, name_variable
from pages.markdown import write_code, write_table

INTRO = """# Links

A function names the components it works with under `uses`. From one link come the IAM
actions of the function's role, the environment variable that names the component, and, inside
a network, the rule that lets the function reach it. Nothing else gives a permission.

```yaml
app: shop
components:
  orders: {type: table, partition_key: id}
  api:
    type: function
    handler: app.handler
    uses: {orders: read-write}     # the code reads os.environ["ORDERS_TABLE"]
```

The variable is the component's name in capitals, hyphens as underscores, with a suffix. The
examples below are for a component called `my-part`. A permission covers that component alone,
and a table's indexes with it. Kinds that are not listed cannot be used.

"""


def make_page() -> str:
    rows = [
        [
            f"`{kind}`",
            f"`{word}`",
            f"`{name_variable('my-part', access)}`",
            write_code(access.actions),
        ]
        for kind, accesses in LINKS.items()
        for word, access in accesses.items()
    ]
    return INTRO + write_table(["kind", "access", "variable", "IAM actions"], rows)

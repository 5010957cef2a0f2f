"""What this machine can do, and which of it a lab will use."""

from __future__ import annotations

from pathlib import Path

from workbench.labs.panel import Panel, table
from workbench.service import Service

_UNBROKEN = "white-space:pre;word-break:normal;margin:0;background:transparent"


def machine() -> Panel:
    """Every capability, found by trying it, with how to get what is missing."""
    from workbench import capabilities

    found = capabilities.find()
    rows = []
    for name in ("docker", "namespaces", "cgroups", "kvm", "qemu"):
        one = getattr(found, name)
        how = f"{one.detail} {one.remedy}" if not one.available else one.detail
        rows.append([name, "yes" if one.available else "no", how])
    html, text = table(["part", "works here", "found by trying, and how to get what is missing"], rows)
    return Panel("This machine", html, text)


def source(service: Service) -> Panel:
    """The handler's own file, to read."""
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

    path = service.source / f"{service.handler.rpartition('.')[0].replace('.', '/')}.py"
    code = path.read_text(encoding="utf-8")
    shown = highlight(code, PythonLexer(), HtmlFormatter(noclasses=True, nobackground=True, prestyles=_UNBROKEN))
    html = f'<div style="max-height:340px;overflow:auto;margin-top:6px;font-size:13px">{shown}</div>'
    return Panel(f"{service.name}: {Path(path).name}", html, code)

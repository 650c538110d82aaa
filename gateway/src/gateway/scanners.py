"""Paths that are asked for only by who looks for holes in other software: no client of this API has a use for them."""

import re
from typing import Final

from chassis.metrics import begin
from chassis.threats import threats

_SCANNED: Final = re.compile(
    r"\.(?:php\d?|aspx?|jspx?|cgi|env|bak|sql|ini|ya?ml)(?:[./]|$)"  # scripts, settings and dumps
    r"|/\.(?:git|svn|hg|aws|ssh|env|ds_store|htaccess|htpasswd|vscode)"  # what lies about in a folder that is served
    r"|/(?:wp-|wordpress|phpmyadmin|pma/|cgi-bin|actuator|server-status|manager/html|solr/|jenkins|boaform|hnap1)"
    r"|\.\./|/etc/passwd|%2e%2e",
    re.IGNORECASE,
)

begin(threats, ("scanner_path",))


def count(path: str) -> None:
    """Count a path that has no route, if it is one of those."""
    if _SCANNED.search(path):
        threats.labels("scanner_path").inc()

"""Answer files that a caller brings: read as XML by a parser that fetches and expands nothing."""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from image_library.domain.errors import InvalidUserData
from image_library.domain.windows.unattend import NAMESPACE

_ROOT = f"{{{NAMESPACE}}}unattend"
_FIELD = "unattend_xml"


class XmlAnswerFiles:
    """``AnswerFiles`` by the standard library's parser with entities and DTDs forbidden."""

    def judge(self, text: str) -> None:
        try:
            root = fromstring(text.encode(), forbid_dtd=True)
        except ParseError as error:
            line, column = error.position
            raise InvalidUserData(
                f"The answer file is not valid XML: line {line}, column {column}.", field=_FIELD
            ) from None
        except (DefusedXmlException, ValueError, LookupError):
            raise InvalidUserData(
                "The answer file has a DTD, entities or an encoding that is not taken.", field=_FIELD
            ) from None
        if root.tag != _ROOT:
            raise InvalidUserData(
                "The answer file's outermost element is not 'unattend' of Windows Setup.",
                remedy=f'Begin it with <unattend xmlns="{NAMESPACE}">.',
                field=_FIELD,
            )

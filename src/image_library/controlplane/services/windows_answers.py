"""The seed of a Windows guest: the answer file that Windows Setup looks for."""

from __future__ import annotations

from image_library.controlplane.ports.vms import AnswerFiles
from image_library.controlplane.services.provisioning import Seed
from image_library.domain.errors import InvalidGuestSetting
from image_library.domain.user_data import checked_text
from image_library.domain.vm import Datasource, SeedDocuments
from image_library.domain.windows.answers import ADMINISTRATOR, WindowsWish, answers_of
from image_library.domain.windows.unattend import unattend_document


class AnswerFileRenderer:
    def __init__(self, answer_files: AnswerFiles) -> None:
        self._answer_files = answer_files

    def render(self, asked: WindowsWish, *, vm_name: str, architecture: str, hide_secrets: bool) -> Seed:
        """The seed; with ``hide_secrets``, without passwords and product key.

        Raises:
            InvalidHostname, InvalidPassword, InvalidUser, InvalidGuestSetting, InvalidUserData: a value
                cannot be used.
        """
        if not asked.unattend_xml:
            answers = answers_of(asked, vm_name=vm_name)
            text = unattend_document(
                answers, architecture=architecture or "x86_64", hide_secrets=hide_secrets
            )
        elif asked.has_fields:
            raise InvalidGuestSetting(
                "A whole answer file and single answers are given.",
                remedy="Give one of them: what the file says is not changed.",
                field="unattend_xml",
            )
        else:
            text = asked.unattend_xml
            self._answer_files.judge(text)
        document = checked_text(text, field="unattend_xml")
        documents = SeedDocuments(user_data=document, meta_data="", datasource=Datasource.ANSWER_FILE)
        return Seed(documents=documents, user=ADMINISTRATOR)

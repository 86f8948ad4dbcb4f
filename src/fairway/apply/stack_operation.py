"""One stack through CloudFormation: change set, execution, events, outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairway.apply.cause import explain_failure
from fairway.apply.stuck import refuse_stuck
from fairway.aws import Aws, explain_client_error
from fairway.aws.stacks import EMPTY_STATES, describe_stack, tell_change
from fairway.compile.template import StackTemplate
from fairway.errors import DeploymentFailed
from fairway.events import Report, ResourceProgress
from fairway.plan.model import Action, StackPlan
from fairway.plan.waiting import Pace

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.literals import ChangeSetTypeType

# "AWS CloudFormation quotas": bytes of a template passed in the request itself.
LARGEST_BODY = 51_200
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
# Change sets of ours; those of others are left alone.
_OURS = "fairway-"


@dataclass
class StackOperation:
    """What is done to one stack; `mark` makes the names of change sets unique.

    environment: for the words of errors. resumes: whether an apply was killed before this one.
    may_have_moved: whether a stack that others changed since the plan is taken as it is.
    """

    aws: Aws
    plan: StackPlan
    report: Report
    mark: str
    pace: Pace = field(default_factory=Pace)
    environment: str = "local"
    resumes: bool = False
    may_have_moved: bool = False
    _seen: set[str] = field(default_factory=set)

    def deploy(
        self, template: StackTemplate, parameters: Mapping[str, str], template_url: str | None
    ) -> Mapping[str, str]:
        """Create or update the stack; its outputs. Raises DeploymentFailed with the cause."""
        name = self.plan.name
        stack = self._wait_for_rest()
        self._check_unmoved(stack)
        status = stack["StackStatus"] if stack else ""
        if status == "ROLLBACK_COMPLETE":
            self.delete()
            status = ""
        refuse_stuck(name, status, self.environment)
        exists = status not in ("", *EMPTY_STATES)
        if status and (self.resumes or not exists):
            self._drop_left_change_sets()
        kind: ChangeSetTypeType = "UPDATE" if exists else "CREATE"
        change_set = self._create_change_set(template, parameters, template_url, kind)
        if change_set is not None:
            self._check_forecast(change_set)
            self.aws.cloudformation.execute_change_set(
                ChangeSetName=change_set["ChangeSetId"],
                StackName=self.plan.name,
                ClientRequestToken=self._make_token(kind),
            )
            self._follow(kind)
        stack = describe_stack(self.aws, name) or {}
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}

    def require_unmoved(self) -> None:
        """Raise DeploymentFailed when the stack is not the one that the plan was made for."""
        self._check_unmoved(self._wait_for_rest())

    def _wait_for_rest(self) -> dict[str, Any] | None:
        """The stack once nothing is under way in it."""
        for _ in self.pace.beats():
            stack = describe_stack(self.aws, self.plan.name)
            status = stack["StackStatus"] if stack else ""
            if status == "REVIEW_IN_PROGRESS" or not status.endswith("_IN_PROGRESS"):
                return stack
        raise AssertionError("beats are endless")

    def _check_unmoved(self, stack: dict[str, Any] | None) -> None:
        """Refuse to change a stack that is no longer the one that the plan was made for."""
        there = stack if stack and stack["StackStatus"] not in EMPTY_STATES else None
        observed = self.plan.observed
        if self.may_have_moved:
            return
        if observed is None and there is None:
            return
        if observed and not observed.changed_at:
            return
        if observed and there and tell_change(there) == observed.changed_at:
            return
        raise DeploymentFailed(
            f"{self.plan.name} was changed by somebody else after the plan was made; "
            "nothing was changed in it",
            hint="run the same command again: it plans anew",
        )

    def _drop_left_change_sets(self) -> None:
        """Remove what an apply that was killed prepared and did not execute."""
        pages = self.aws.cloudformation.get_paginator("list_change_sets").paginate(
            StackName=self.plan.name
        )
        for page in pages:
            for item in page["Summaries"]:
                if item["ChangeSetName"].startswith(_OURS):
                    self.aws.cloudformation.delete_change_set(
                        ChangeSetName=item["ChangeSetId"], StackName=self.plan.name
                    )

    def delete(self) -> None:
        """Delete the stack and wait until it is gone."""
        stack = describe_stack(self.aws, self.plan.name)
        if stack is None:
            return
        self.aws.cloudformation.delete_stack(
            StackName=self.plan.name, ClientRequestToken=self._make_token("DELETE")
        )
        # A deleted stack answers only to its id.
        self._follow("DELETE", stack["StackId"])

    def _create_change_set(
        self,
        template: StackTemplate,
        parameters: Mapping[str, str],
        template_url: str | None,
        kind: ChangeSetTypeType,
    ) -> Mapping[str, Any] | None:
        """The change set as described once it is ready, or None when nothing changes."""
        from botocore.exceptions import ClientError

        where: dict[str, Any] = (
            {"TemplateURL": template_url} if template_url else {"TemplateBody": template.to_json()}
        )
        try:
            answer = self.aws.cloudformation.create_change_set(
                StackName=self.plan.name,
                ChangeSetName=f"{_OURS}{self.mark}",
                ChangeSetType=kind,
                Capabilities=["CAPABILITY_IAM"],
                Parameters=[
                    {"ParameterKey": k, "ParameterValue": v} for k, v in sorted(parameters.items())
                ],
                Tags=[{"Key": k, "Value": v} for k, v in sorted(template.tags.items())],
                **where,
            )
        except ClientError as error:
            raise DeploymentFailed(
                f"CloudFormation refused {self.plan.name}: {explain_client_error(error)}"
            ) from error
        change_set = answer["Id"]
        for _ in self.pace.beats():
            described = self.aws.cloudformation.describe_change_set(
                ChangeSetName=change_set, StackName=self.plan.name
            )
            status, reason = described["Status"], described.get("StatusReason", "")
            if status == "CREATE_COMPLETE":
                return described
            if status == "FAILED":
                self.aws.cloudformation.delete_change_set(
                    ChangeSetName=change_set, StackName=self.plan.name
                )
                if any(text in reason for text in _UNCHANGED):
                    return None
                raise DeploymentFailed(f"CloudFormation refused {self.plan.name}: {reason}")
        raise AssertionError("beats are endless")

    def _check_forecast(self, change_set: Mapping[str, Any]) -> None:
        """Refuse a change set that replaces or removes what the plan did not show.

        change_set: as described, which is its first page.
        """
        shown = {c.logical_id: c.action for c in self.plan.changes}
        for item in self._list_changes(change_set):
            change = item.get("ResourceChange", {})
            logical_id, action = change.get("LogicalResourceId", ""), change.get("Action")
            planned = shown.get(logical_id, Action.NONE)
            removes = action == "Remove" and planned not in (Action.DELETE, Action.KEEP)
            replaces = change.get("Replacement") == "True" and planned is not Action.REPLACE
            if removes or replaces:
                self.aws.cloudformation.delete_change_set(
                    ChangeSetName=change_set["ChangeSetId"], StackName=self.plan.name
                )
                raise DeploymentFailed(
                    f"CloudFormation would {'remove' if removes else 'replace'} {logical_id} "
                    f"in {self.plan.name}, which the plan did not show; nothing was changed",
                    hint="run `fairway plan` again; if it repeats, please report it",
                )

    def _list_changes(self, change_set: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        page = change_set
        yield from page.get("Changes", [])
        while token := page.get("NextToken"):
            page = self.aws.cloudformation.describe_change_set(
                ChangeSetName=change_set["ChangeSetId"],
                StackName=self.plan.name,
                NextToken=token,
            )
            yield from page.get("Changes", [])

    def _follow(self, operation: str, stack_id: str | None = None) -> None:
        """Report events until the stack settles; raise the first real cause of a failure."""
        events: list[ResourceProgress] = []
        name = stack_id or self.plan.name
        for _ in self.pace.beats():
            stack = describe_stack(self.aws, name)
            for event in self._new_events(name, self._make_token(operation)):
                self.report(event)
                events.append(event)
            status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
            if status.endswith("_IN_PROGRESS"):
                continue
            if status == f"{operation}_COMPLETE":
                return
            raise explain_failure(self.plan, status, events, stack or {})

    def _make_token(self, operation: str) -> str:
        """The token by which an operation's events are known ("StackEvent")."""
        return f"{operation.lower()}-{self.mark}"

    def _new_events(self, name: str, token: str) -> Iterator[ResourceProgress]:
        """Events of an operation not told yet, oldest first; a stack may have thousands."""
        fresh: list[Any] = []
        for page in self._page_events(name):
            ours = [e for e in page if e.get("ClientRequestToken") == token]
            fresh += [e for e in ours if e["EventId"] not in self._seen]
            if not ours or ours[-1] is not page[-1] or ours[-1]["EventId"] in self._seen:
                break
        for event in reversed(fresh):
            self._seen.add(event["EventId"])
            yield ResourceProgress(
                self.plan.name,
                event.get("LogicalResourceId", ""),
                event.get("ResourceType", ""),
                event.get("ResourceStatus", ""),
                event.get("ResourceStatusReason", ""),
            )

    def _page_events(self, name: str) -> Iterator[list[Any]]:
        """Pages of events, newest first; none of a stack that is gone."""
        from botocore.exceptions import ClientError

        pages = self.aws.cloudformation.get_paginator("describe_stack_events")
        try:
            for page in pages.paginate(StackName=name):
                yield page["StackEvents"]
        except ClientError:
            return

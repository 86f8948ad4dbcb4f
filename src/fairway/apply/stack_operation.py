"""One stack through CloudFormation: change set, execution, events, outcome."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairway.aws import Aws, explain_client_error
from fairway.aws.stacks import EMPTY_STATES, describe_stack
from fairway.compile.template import StackTemplate
from fairway.errors import DeploymentFailed
from fairway.events import Report, ResourceProgress
from fairway.plan.model import Action, StackPlan

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.literals import ChangeSetTypeType

# "AWS CloudFormation quotas": bytes of a template passed in the request itself.
LARGEST_BODY = 51_200
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
_NOT_CAUSES = ("Resource creation cancelled", "Resource update cancelled", "The following resource")


class Interrupted(Exception):
    """Nobody waits for the outcome any more; CloudFormation goes on by itself."""


@dataclass(frozen=True)
class Pace:
    """How often CloudFormation is asked: soon at first, then ever more seldom (seconds).

    stop: set to end all waiting with Interrupted.
    """

    first: float = 0.02
    growth: float = 1.4
    longest: float = 3.0
    stop: threading.Event = field(default_factory=threading.Event)

    def beats(self) -> Iterator[int]:
        """Yield before each question, having waited as long as is due."""
        delay = self.first
        for beat in itertools.count():
            yield beat
            if self.stop.wait(delay):
                raise Interrupted
            delay = min(delay * self.growth, self.longest)


@dataclass
class StackOperation:
    """What is done to one stack; `mark` makes the names of change sets unique."""

    aws: Aws
    plan: StackPlan
    report: Report
    mark: str
    pace: Pace = field(default_factory=Pace)
    _seen: set[str] = field(default_factory=set)

    def deploy(
        self, template: StackTemplate, parameters: Mapping[str, str], template_url: str | None
    ) -> Mapping[str, str]:
        """Create or update the stack; its outputs. Raises DeploymentFailed with the cause."""
        name = self.plan.name
        stack = describe_stack(self.aws, name)
        if stack and stack["StackStatus"] == "ROLLBACK_COMPLETE":
            self.delete()
            stack = None
        exists = stack is not None and stack["StackStatus"] not in EMPTY_STATES
        if stack and exists and stack["StackStatus"].endswith("_IN_PROGRESS"):
            raise DeploymentFailed(
                f"{name} is still being changed ({stack['StackStatus']})",
                hint="wait until CloudFormation is done with it, then run the same command again",
            )
        if exists:
            self._skip_old_events()
        change_set = self._create_change_set(
            template, parameters, template_url, "UPDATE" if exists else "CREATE"
        )
        if change_set is not None:
            self._check_forecast(change_set)
            self.aws.cloudformation.execute_change_set(ChangeSetName=change_set)
            self._follow("UPDATE" if exists else "CREATE")
        stack = describe_stack(self.aws, name) or {}
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}

    def delete(self) -> None:
        """Delete the stack and wait until it is gone."""
        stack = describe_stack(self.aws, self.plan.name)
        if stack is None:
            return
        self._skip_old_events()
        self.aws.cloudformation.delete_stack(StackName=self.plan.name)
        # A deleted stack answers only to its id.
        self._follow("DELETE", stack["StackId"])

    def _create_change_set(
        self,
        template: StackTemplate,
        parameters: Mapping[str, str],
        template_url: str | None,
        kind: ChangeSetTypeType,
    ) -> str | None:
        """The change set's ARN once it is ready, or None when nothing changes."""
        from botocore.exceptions import ClientError

        where: dict[str, Any] = (
            {"TemplateURL": template_url} if template_url else {"TemplateBody": template.to_json()}
        )
        try:
            answer = self.aws.cloudformation.create_change_set(
                StackName=self.plan.name,
                ChangeSetName=f"fairway-{self.mark}",
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
            described = self.aws.cloudformation.describe_change_set(ChangeSetName=change_set)
            status, reason = described["Status"], described.get("StatusReason", "")
            if status == "CREATE_COMPLETE":
                return change_set
            if status == "FAILED":
                self.aws.cloudformation.delete_change_set(ChangeSetName=change_set)
                if any(text in reason for text in _UNCHANGED):
                    return None
                raise DeploymentFailed(f"CloudFormation refused {self.plan.name}: {reason}")
        raise AssertionError("beats are endless")

    def _check_forecast(self, change_set: str) -> None:
        """Refuse a change set that replaces or removes what the plan did not show."""
        shown = {c.logical_id: c.action for c in self.plan.changes}
        pages = self.aws.cloudformation.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set
        )
        for page in pages:
            for item in page.get("Changes", []):
                change = item.get("ResourceChange", {})
                logical_id, action = change.get("LogicalResourceId", ""), change.get("Action")
                planned = shown.get(logical_id, Action.NONE)
                removes = action == "Remove" and planned not in (Action.DELETE, Action.KEEP)
                replaces = change.get("Replacement") == "True" and planned is not Action.REPLACE
                if removes or replaces:
                    self.aws.cloudformation.delete_change_set(ChangeSetName=change_set)
                    raise DeploymentFailed(
                        f"CloudFormation would {'remove' if removes else 'replace'} {logical_id} "
                        f"in {self.plan.name}, which the plan did not show; nothing was changed",
                        hint="run `fairway plan` again; if it repeats, please report it",
                    )

    def _follow(self, operation: str, stack_id: str | None = None) -> None:
        """Report events until the stack settles; raise the first real cause of a failure."""
        failures: list[ResourceProgress] = []
        name = stack_id or self.plan.name
        for _ in self.pace.beats():
            stack = describe_stack(self.aws, name)
            for event in self._new_events(name):
                self.report(event)
                if event.status.endswith("_FAILED") and event.logical_id != self.plan.name:
                    failures.append(event)
            status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
            if status.endswith("_IN_PROGRESS"):
                continue
            if status == f"{operation}_COMPLETE":
                return
            raise self._explain_failure(status, failures, stack or {})

    def _explain_failure(
        self, status: str, failures: list[ResourceProgress], stack: dict[str, Any]
    ) -> DeploymentFailed:
        causes = [f for f in failures if not f.reason.startswith(_NOT_CAUSES)] or failures
        rolled_back = "; this stack was rolled back" if "ROLLBACK_COMPLETE" in status else ""
        if not causes:
            reason = stack.get("StackStatusReason", "no reason was given")
            return DeploymentFailed(f"{self.plan.name} ended as {status}: {reason}{rolled_back}")
        first = causes[0]
        change = next((c for c in self.plan.changes if c.logical_id == first.logical_id), None)
        where = f" ({change.place})" if change and change.place else ""
        detail = "\n".join(f"{f.logical_id} {f.status}: {f.reason}" for f in failures)
        return DeploymentFailed(
            f"{first.logical_id}{where} in {self.plan.name}: {first.reason}{rolled_back}",
            hint="mend the cause and run the same command again",
            detail=detail,
        )

    def _skip_old_events(self) -> None:
        list(self._new_events(self.plan.name))

    def _new_events(self, name: str) -> Iterator[ResourceProgress]:
        """Events not told yet, oldest first."""
        from botocore.exceptions import ClientError

        fresh: list[Any] = []
        try:
            pages = self.aws.cloudformation.get_paginator("describe_stack_events").paginate(
                StackName=name
            )
            for page in pages:
                new = [e for e in page["StackEvents"] if e["EventId"] not in self._seen]
                fresh += new
                if len(new) < len(page["StackEvents"]):
                    break
        except ClientError:
            return  # the stack is gone
        for event in reversed(fresh):
            self._seen.add(event["EventId"])
            yield ResourceProgress(
                self.plan.name,
                event.get("LogicalResourceId", ""),
                event.get("ResourceType", ""),
                event.get("ResourceStatus", ""),
                event.get("ResourceStatusReason", ""),
            )

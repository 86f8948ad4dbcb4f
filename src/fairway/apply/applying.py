"""Plan -> Release: the only stage that changes anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fairway.apply.release import Release, list_releases, write_release
from fairway.apply.stack_operation import LARGEST_BODY, Pace, StackOperation
from fairway.aws import Aws
from fairway.bundle.artifact import Artifact
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.template import ArtifactBucket, PrefixList, StackOutput, StackTemplate
from fairway.errors import DeploymentFailed
from fairway.events import Report, StepFinished, StepStarted, ignore_events
from fairway.plan.model import Action, Plan, StackPlan, Unknown

STACKS_AT_ONCE = 4


@dataclass
class Applying:
    """One run of apply: the plan, the clients, and what has been handed on so far.

    actor and revision: told by the caller, kept in the release. now: the clock.
    find_prefix_list: AWS's prefix list of a service.
    """

    plan: Plan
    aws: Aws
    find_prefix_list: Callable[[str], str]
    actor: str = "unknown"
    revision: str | None = None
    report: Report = ignore_events
    pace: Pace = field(default_factory=Pace)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    given: dict[str, dict[str, str]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def run(self) -> Release:
        """Carry the plan out. Raises DeploymentFailed; what was done stays, and can go on."""
        started = self.now()
        self._apply_stacks(s for s in self.plan.stacks if s.name == ARTIFACTS_STACK)
        self._upload_artifacts()
        try:
            self._apply_stacks(
                s for s in self.plan.stacks if s.name != ARTIFACTS_STACK and s.template
            )
            self._remove_stacks()
        except DeploymentFailed as error:
            self._tell_done(error)
            self._record(started, "failed")
            raise
        return self._record(started, "succeeded")

    def _apply_stacks(self, stacks: Iterable[StackPlan]) -> None:
        """Deploy stacks side by side, each as soon as those it needs are there."""
        waiting = {stack.name: stack for stack in stacks}
        running: dict[Future[dict[str, str]], str] = {}
        failure: BaseException | None = None
        with ThreadPoolExecutor(STACKS_AT_ONCE) as pool:
            while waiting or running:
                if failure is None:
                    for stack in self._find_ready(waiting, running):
                        del waiting[stack.name]
                        running[pool.submit(self._apply_stack, stack)] = stack.name
                if not running:
                    break
                for future in self._wait_any(running):
                    name = running.pop(future)
                    error = future.exception()
                    failure = failure or error
                    if error is None:
                        self.outputs[name] = future.result()
        if failure is not None:
            raise failure

    def _wait_any(self, running: dict[Future[dict[str, str]], str]) -> set[Future[dict[str, str]]]:
        try:
            return wait(running, return_when=FIRST_COMPLETED).done
        except KeyboardInterrupt:
            self.pace.stop.set()  # or leaving would wait for what CloudFormation still does
            raise

    def _tell_done(self, error: DeploymentFailed) -> None:
        """A stack is rolled back by itself: those that went well before stay as they are now."""
        done = [name for name in self.done if name != ARTIFACTS_STACK]
        if done:
            stays = f"applied before it, and staying: {', '.join(done)}"
            error.detail = f"{error.detail}\n{stays}" if error.detail else stays

    def _find_ready(
        self, waiting: dict[str, StackPlan], running: dict[Future[dict[str, str]], str]
    ) -> list[StackPlan]:
        pending = {*waiting, *running.values()}
        return [
            stack
            for stack in waiting.values()
            if stack.template is None or not stack.template.needs & pending
        ]

    def _apply_stack(self, stack: StackPlan) -> dict[str, str]:
        template = stack.template
        assert template is not None
        parameters = self._resolve_parameters(stack, template)
        self.given[stack.name] = parameters
        same = stack.observed is not None and parameters == dict(stack.observed.parameters)
        if stack.observed is not None and same and not stack.is_changed:
            return dict(stack.observed.outputs)
        step, began = f"stack {stack.name}", time.monotonic()
        self.report(StepStarted(step))
        operation = self._operate(stack)
        outputs = operation.deploy(template, parameters, self._upload_template(template))
        self.report(StepFinished(step, time.monotonic() - began))
        self.done.append(stack.name)
        return dict(outputs)

    def _operate(self, stack: StackPlan) -> StackOperation:
        mark = self.now().strftime("%Y%m%d-%H%M%S-%f")
        return StackOperation(self.aws, stack, self.report, mark, self.pace)

    def _remove_stacks(self) -> None:
        """Delete stacks the application no longer has, dependants first."""
        for stack in self.plan.stacks:
            if stack.template is not None:
                continue
            step, began = f"stack {stack.name}", time.monotonic()
            self.report(StepStarted(step))
            self._empty_buckets(stack)
            self._operate(stack).delete()
            self.report(StepFinished(step, time.monotonic() - began))

    def _empty_buckets(self, stack: StackPlan) -> None:
        """Remove the objects of buckets that go: CloudFormation does not delete full ones."""
        from botocore.exceptions import ClientError

        for change in stack.changes:
            if change.resource_type != "AWS::S3::Bucket" or change.action is not Action.DELETE:
                continue
            if not change.physical_id:
                continue
            bucket = change.physical_id
            try:
                pages = self.aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
                for page in pages:
                    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                    objects = [{"Key": o["Key"], "VersionId": o["VersionId"]} for o in found]
                    if objects:
                        self.aws.s3.delete_objects(
                            Bucket=bucket,
                            Delete={"Objects": objects, "Quiet": True},  # type: ignore[typeddict-item]
                        )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
                    raise

    def _resolve_parameters(self, stack: StackPlan, template: StackTemplate) -> dict[str, str]:
        """The values of the parameters, now that the stacks before are there."""
        values: dict[str, str] = {}
        for name, source in template.parameters.items():
            planned = stack.parameters[name]
            match source:
                case StackOutput():
                    values[name] = self.outputs[source.stack][source.output]
                case ArtifactBucket():
                    values[name] = self.bucket
                case PrefixList() if isinstance(planned, Unknown):
                    values[name] = self.find_prefix_list(source.service)
                case _:
                    values[name] = str(planned)
        return values

    @property
    def bucket(self) -> str:
        """The artifact bucket's name."""
        if ARTIFACTS_STACK not in self.outputs:
            from fairway.aws.stacks import describe_stack

            stack = describe_stack(self.aws, ARTIFACTS_STACK) or {}
            outputs = stack.get("Outputs", [])
            self.outputs[ARTIFACTS_STACK] = {o["OutputKey"]: o["OutputValue"] for o in outputs}
        return self.outputs[ARTIFACTS_STACK]["BucketName"]

    def _upload_artifacts(self) -> None:
        for artifact in self.plan.artifacts:
            self._upload_artifact(artifact)

    def _upload_artifact(self, artifact: Artifact) -> None:
        from botocore.exceptions import ClientError

        try:
            self.aws.s3.head_object(Bucket=self.bucket, Key=artifact.key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
        else:
            return
        step, began = f"upload {artifact.name}", time.monotonic()
        self.report(StepStarted(step))
        with artifact.path.open("rb") as body:
            self.aws.s3.put_object(Bucket=self.bucket, Key=artifact.key, Body=body)
        size = f"{artifact.size / 1024:.0f} KiB"
        self.report(StepFinished(step, time.monotonic() - began, size))

    def _upload_template(self, template: StackTemplate) -> str | None:
        """Keep the template with the releases; its URL when it is too large for a request."""
        if template.name == ARTIFACTS_STACK:
            return None
        body = template.to_json().encode()
        key = f"templates/{template.digest}.json"
        self.aws.s3.put_object(
            Bucket=self.bucket, Key=key, Body=body, ContentType="application/json"
        )
        if len(body) <= LARGEST_BODY:
            return None
        return self.aws.s3.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=3600
        )

    def _record(self, started: datetime, outcome: str) -> Release:
        taken = list_releases(self.aws, self.bucket, self.plan.app, self.plan.environment)
        release = Release(
            number=(taken[-1] if taken else 0) + 1,
            app=self.plan.app,
            environment=self.plan.environment,
            started=started.isoformat(timespec="seconds"),
            seconds=round((self.now() - started).total_seconds(), 3),
            actor=self.actor,
            revision=self.revision,
            outcome="succeeded" if outcome == "succeeded" else "failed",
            stacks={s.name: s.template.digest for s in self.plan.stacks if s.template},
            parameters=self.given,
            artifacts={a.name: a.digest for a in self.plan.artifacts},
        )
        from botocore.exceptions import ClientError

        while True:
            try:
                write_release(self.aws, self.bucket, release)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
                    raise
                release = replace(release, number=release.number + 1)
            else:
                return release

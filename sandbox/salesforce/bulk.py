"""Bulk API 2.0 over HTTP: jobs that write, jobs that read, and their results."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.responses import Response

from .bulkcsv import DELIMITERS, LINE_ENDINGS, Format, write_csv, write_header
from .call import Call, Result
from .errors import Refused, not_found, refused
from .ids import full_id
from .jobs import ENDED, IngestJob, Job, QueryJob, query_columns, shuffled
from .queries import Column
from .schema import Row
from .session import json_response
from .soql import parse
from .values import write_time
from .writes import external_id

OPERATIONS = ("insert", "update", "upsert", "delete")
LARGEST_UPLOAD = 112_500_000  # bytes: 150 MB once they are written in base64
LARGEST_PAGE = 50_000
PAGES_AT_ONCE = 5
_CSV_TYPE = re.compile(r"text/csv\b", re.IGNORECASE)


# jobs that write


async def make_ingest(call: Call) -> Response:
    """Make a job that waits for its data."""
    body = await call.body()
    operation, name = body.get("operation"), str(body.get("object") or "")
    if operation == "hardDelete":
        message = (
            "hardDelete operation requires special user profile permission, please contact your system administrator"
        )
        raise refused("FEATURENOTENABLED", message)
    if operation not in OPERATIONS:
        raise refused("INVALIDOPERATION", f"Operation: {operation} is not supported")
    entity = call.view().entity(name)
    if entity is None or not entity.createable:
        raise refused("INVALIDENTITY", f"Unable to find object: {name}")
    key = body.get("externalIdFieldName")
    if (operation == "upsert") != isinstance(key, str):
        raise refused("INVALIDJOB", "ExternalIdFieldName is required for upsert, and for nothing else")
    now, jobs = call.org.clock.now(), call.server.store.jobs
    job = IngestJob(
        jobs.new_id(),
        str(operation),
        entity,
        _form(body),
        call.path("version"),
        call.user_id,
        now,
        "Open",
        now,
        key=external_id(call.org, call.user_id, entity, key) if isinstance(key, str) else None,
        assign=isinstance(body.get("assignmentRuleId"), str),
    )
    jobs.add(job)
    return json_response({**_head(job), "contentUrl": _content_url(job), **_shape(job)})


async def upload(call: Call) -> Response:
    """Take a job's data, once."""
    job = _ingest(call)
    data = await call.request.body()
    if not _CSV_TYPE.match(call.request.headers.get("content-type", "")):
        raise refused("INVALIDCONTENTTYPE", "The data must be text/csv", status=415)
    if job.state != "Open":
        raise _wrong_state(job, "take data")
    if job.data is not None:
        message = f"Found multiple contents for job: <{job.id}>, upload data only once"
        raise refused("INVALIDJOBSTATE", message)
    if len(data) > LARGEST_UPLOAD:
        raise refused("EXCEEDEDQUOTA", f"The data is larger than {LARGEST_UPLOAD} bytes", status=413)
    job.data = data
    return Response(status_code=201)


async def change_ingest(call: Call) -> Response:
    """Close a job, or abort it."""
    job = _ingest(call)
    state = (await call.body()).get("state")
    jobs = call.server.store.jobs
    if state == "UploadComplete" and job.state == "Open":
        if job.data is None:
            raise refused("INVALIDJOBSTATE", f"Job {job.id} has no data")
        jobs.close(job)
    elif state == "Aborted" and job.state not in ENDED:
        jobs.abort(job)
    else:
        raise _wrong_state(job, f"become {state}")
    return json_response(_head(job))


async def read_ingest(call: Call) -> Response:
    """Tell how far a job is; every look takes it a step on."""
    job = _ingest(call)
    call.server.store.jobs.progress(job)
    return json_response(_ingest_info(job))


async def remove_ingest(call: Call) -> Response:
    """Delete a job that has ended."""
    return _remove(call, _ingest(call))


async def list_ingest(call: Call) -> Response:
    """List the jobs that write."""
    jobs = [job for job in call.server.store.jobs.listed() if isinstance(job, IngestJob)]
    return json_response({"done": True, "records": [_ingest_info(job) for job in jobs], "nextRecordsUrl": None})


async def results(call: Call) -> Response:
    """Give the rows that were written, that failed, or that were not tried."""
    job, kind = _ingest(call), call.path("kind").lower()
    if kind not in ("successfulresults", "failedresults", "unprocessedrecords"):
        raise not_found()
    if job.state not in ENDED:
        raise _wrong_state(job, "give results")
    columns = job.table.columns
    if kind == "unprocessedrecords":
        header = write_header(job.form, quoted=(), plain=columns)
        text = write_csv(job.form, header, shuffled(job, job.unprocessed()))
    elif kind == "successfulresults":
        header = write_header(job.form, quoted=("sf__Id", "sf__Created"), plain=columns)
        done = [(record_id, str(made).lower(), *cells) for record_id, made, cells in job.done]
        text = write_csv(job.form, header, shuffled(job, done))
    else:
        header = write_header(job.form, quoted=("sf__Id", "sf__Error"), plain=columns)
        text = write_csv(job.form, header, shuffled(job, [(known, why, *cells) for known, why, cells in job.failed]))
    return _csv(text)


# jobs that read


async def make_query(call: Call) -> Response:
    """Make a job that runs a query."""
    body = await call.body()
    operation, text = body.get("operation"), body.get("query")
    if operation not in ("query", "queryAll") or not isinstance(text, str):
        raise refused("INVALIDJOB", "A query job needs an operation, query or queryAll, and a query")
    form, now, jobs = _form(body), call.org.clock.now(), call.server.store.jobs
    query, view = parse(text), call.view(deleted=operation == "queryAll")
    columns = query_columns(query, view)
    entity = view.need_entity(query.source.text)
    job = QueryJob(
        jobs.new_id(),
        str(operation),
        entity,
        form,
        call.path("version"),
        call.user_id,
        now,
        "UploadComplete",
        now,
        query=query,
        view=view,
        columns=columns,
    )
    jobs.add(job)
    return json_response({**_head(job), **_shape(job)})


async def change_query(call: Call) -> Response:
    """Abort a job."""
    job = _query(call)
    state = (await call.body()).get("state")
    if state != "Aborted" or job.state in ENDED:
        raise _wrong_state(job, f"become {state}")
    call.server.store.jobs.abort(job)
    return json_response(_head(job))


async def read_query(call: Call) -> Response:
    """Tell how far a job is; every look takes it a step on."""
    job = _query(call)
    call.server.store.jobs.progress(job)
    return json_response(_query_info(job))


async def remove_query(call: Call) -> Response:
    """Delete a job that has ended."""
    return _remove(call, _query(call))


async def list_query(call: Call) -> Response:
    """List the jobs that read."""
    jobs = [job for job in call.server.store.jobs.listed() if isinstance(job, QueryJob)]
    return json_response({"done": True, "records": [_query_info(job) for job in jobs], "nextRecordsUrl": None})


async def query_results(call: Call) -> Response:
    """Give a page of what a query found; the header `Sforce-Locator` leads to the next one."""
    job, start, size = _result_page(call)
    end = start + size
    found = [[_cell(column, row) for column in job.columns] for row in job.rows[start:end]]
    header = write_header(job.form, quoted=[column.name for column in job.columns])
    following = _locator(end) if end < len(job.rows) else "null"
    return _csv(
        write_csv(job.form, header, found),
        {"Sforce-NumberOfRecords": str(len(found)), "Sforce-Locator": following},
    )


async def result_pages(call: Call) -> Response:
    """Give the addresses of the next pages, to be read side by side."""
    job, start, size = _result_page(call)
    address = f"{call.prefix}/jobs/query/{job.id}"
    starts = list(range(start, max(len(job.rows), 1), size))
    body: Result = {
        "resultPages": [
            {"resultUrl": f"{address}/results?{urlencode({'locator': _locator(one), 'maxRecords': size})}"}
            for one in starts[:PAGES_AT_ONCE]
        ],
        "done": len(starts) <= PAGES_AT_ONCE,
    }
    if not body["done"]:
        following = urlencode({"locator": _locator(starts[PAGES_AT_ONCE]), "maxRecords": size})
        body["nextRecordsUrl"] = f"{address}/resultPages?{following}"
    return json_response(body)


def _result_page(call: Call) -> tuple[QueryJob, int, int]:
    """Read which rows are asked for."""
    job = _query(call)
    if job.state != "JobComplete":
        raise _wrong_state(job, "give results")
    if job.version != call.path("version"):
        message = f"The results must be read with the version of the job, {job.version}"
        raise refused("API_ERROR", message, status=409)
    params = call.request.query_params
    try:
        size = min(int(params.get("maxRecords", LARGEST_PAGE)), LARGEST_PAGE)
        locator = params.get("locator")
        start = int(base64.b64decode(locator, validate=True)) if locator else 0
    except (ValueError, binascii.Error):
        raise refused("INVALID_QUERY_LOCATOR", "invalid query locator") from None
    if size < 1 or start < 0 or start > len(job.rows):
        raise refused("INVALID_QUERY_LOCATOR", "invalid query locator")
    return job, start, size


def _locator(start: int) -> str:
    return base64.b64encode(str(start).encode()).decode()


def _cell(column: Column, row: Row) -> object:
    value = column.get(row)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace("+0000", "Z") if column.field.type == "datetime" else value


# both


def _ingest(call: Call) -> IngestJob:
    job = call.server.store.jobs.find(full_id(call.path("job")) or "")
    if not isinstance(job, IngestJob):
        raise not_found()
    return job


def _query(call: Call) -> QueryJob:
    job = call.server.store.jobs.find(full_id(call.path("job")) or "")
    if not isinstance(job, QueryJob):
        raise not_found()
    return job


def _remove(call: Call, job: Job) -> Response:
    if job.state not in ENDED:
        raise _wrong_state(job, "be deleted")
    call.server.store.jobs.remove(job)
    return Response(status_code=204)


def _form(body: Mapping[str, object]) -> Format:
    """Read how a job's CSV is written."""
    form = Format(str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF")))
    if (
        body.get("contentType", "CSV") != "CSV"
        or form.delimiter not in DELIMITERS
        or form.line_ending not in LINE_ENDINGS
    ):
        raise refused(
            "INVALIDJOB", "The content must be CSV, with a column delimiter and line ending of the API's list"
        )
    return form


def _wrong_state(job: Job, wanted: str) -> Refused:
    return refused("INVALIDJOBSTATE", f"Job {job.id} is {job.state} and cannot {wanted}")


def _content_url(job: Job) -> str:
    return f"services/data/{job.version}/jobs/ingest/{job.id}/batches"


def _head(job: Job) -> Result:
    """Give what every answer about a job begins with."""
    key = {"externalIdFieldName": job.key.name} if isinstance(job, IngestJob) and job.key is not None else {}
    return {
        "id": job.id,
        "operation": job.operation,
        "object": job.entity.name,
        "createdById": job.user_id,
        "createdDate": write_time(job.created),
        "systemModstamp": write_time(job.changed),
        "state": job.state,
        **key,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version.removeprefix("v")),
    }


def _shape(job: Job) -> Result:
    return {"lineEnding": job.form.line_ending, "columnDelimiter": job.form.delimiter}


def _ingest_info(job: IngestJob) -> Result:
    ended = job.state in ENDED
    info: Result = {
        **_head(job),
        "jobType": "V2Ingest",
        **({"contentUrl": _content_url(job)} if job.state == "Open" else {}),
        **_shape(job),
        "numberRecordsProcessed": job.processed,
        "numberRecordsFailed": len(job.failed),
        "retries": 0,
        "totalProcessingTime": job.processed if ended else 0,
        "apiActiveProcessingTime": job.processed,
        "apexProcessingTime": 0,
    }
    return info if job.error is None else {**info, "errorMessage": job.error}


def _query_info(job: QueryJob) -> Result:
    return {
        **_head(job),
        "jobType": "V2Query",
        **_shape(job),
        "numberRecordsProcessed": job.processed,
        "retries": 0,
        "totalProcessingTime": job.processed,
        "isPkChunkingSupported": True,
    }


def _csv(text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, headers=dict(headers or {}), media_type="text/csv")

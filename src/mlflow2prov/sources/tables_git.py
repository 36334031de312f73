"""The source tables of Git: commits, files, code that runs name, and data that the repository keeps track of."""

from __future__ import annotations

from mlflow2prov.sources.table_kinds import Kind
from mlflow2prov.sources.table_kinds import declared as _table

_NAME, _TEXT, _BYTES, _INT, _, _FLAG, _TEXTS, _NAMES = Kind

GIT = (
    _table(
        "git_repository",
        "the repository itself, one row for each",
        repository=_INT,  # its number, from 1, in the order in which repositories are given
        path=_NAME,  # absolute path of the work tree or of the bare repository
        remote=_TEXT,  # URL of `origin`, else NULL
        other_remotes=_TEXTS,  # URLs of other remotes at hosts, and what `url.<base>.insteadOf` makes of any, sorted
        heads=_TEXTS,  # "<sha> <full ref name>" of every ref that is history, sorted
        is_shallow=_FLAG,
        settings=_TEXTS,  # what changed the way in which it was read, such as "mail map: <sha>"
    ),
    _table(
        "git_commit",
        "a commit that some ref or run reaches",
        commit=_NAME,
        tree=_NAME,
        author_name=_TEXT,
        author_email=_TEXT,
        authored_s=_INT,
        committer_name=_TEXT,
        committer_email=_TEXT,
        committed_s=_INT,
        message=_TEXT,
        signature_status=_NAME,  # good, bad, expired, revoked, unknown-key, unverified; NULL without a signature
    ),
    _table(
        "git_parent",
        "a parent of a commit, first parent at position 0",
        commit=_NAME,
        position=_INT,
        parent=_NAME,
    ),
    _table(
        "git_trailer",
        "a person named in a commit message's trailer",
        commit=_NAME,
        position=_INT,
        role=_NAME,  # CoAuthor, SignedOffBy, ReviewedBy
        name=_TEXT,
        email=_TEXT,
    ),
    _table(
        "git_revision",
        "a revision of a file that a commit made",
        revision=_INT,  # its number, by which others name it
        commit=_NAME,
        path=_NAME,  # text for people; bytes that are not text shown as \xNN
        path_bytes=_BYTES,  # the exact path, only where `path` is not exact
        status=_NAME,  # A M R C T
        similarity=_INT,  # per cent, for R and C
        blob=_NAME,  # object name of the content
        mode=_NAME,  # file mode in octal, such as 100644
        previous_path=_NAME,  # for R and C
        previous_path_bytes=_BYTES,
        file=_INT,  # the file that it is a revision of: the number of the first one
        is_new_file=_FLAG,  # the commit added the file, too
    ),
    _table(
        "git_derivation",
        "a revision that another one was made from, reached along the commit's own parents",
        revision=_INT,  # its number
        position=_INT,  # of the parent that it was reached along
        previous=_INT,  # the number of the one that it was made from
    ),
    _table(
        "git_deletion",
        "a file that a commit deleted",
        commit=_NAME,
        revision=_INT,  # the number of the last revision there
        ends_file=_FLAG,  # false where the file lives on under another path
    ),
    _table(
        "git_merged",
        "a merge that has something at some paths that its first parent has not, without having made it",
        commit=_NAME,
        merged=_NAMES,  # "<sha> <path>" of each, sorted by path: the commit that made the revision there, "-" where
        # no file is there; the path as a part of an identifier
    ),
    _table(
        "git_declared",
        "a name that can be run, as a revision of an MLproject file or of a Python project's settings declares it",
        commit=_NAME,
        path=_NAME,
        path_bytes=_BYTES,
        name=_TEXT,  # of a project's entry point or of a console script
        target=_TEXT,  # a command, or package.module:function
    ),
    _table(
        "git_link",
        "what a revision of a symbolic link says",
        commit=_NAME,
        path=_NAME,
        path_bytes=_BYTES,
        target=_NAME,  # a path, from the folder in which the link is; `target_bytes` likewise to `path_bytes`
        target_bytes=_BYTES,
    ),
    _table(
        "git_ref",
        "a branch, or a tag that peels to a commit",
        repository=_INT,  # the number of the one whose it is
        kind=_NAME,  # branch or tag
        name=_TEXT,  # short name: main, origin/main, v1.0
        full_name=_NAME,
        commit=_NAME,
        is_annotated=_FLAG,
        message=_TEXT,
        tagger_name=_TEXT,
        tagger_email=_TEXT,
        tagged_s=_INT,
        signature_status=_NAME,  # of the tag object, likewise
    ),
    _table(
        "git_abbreviation",
        "a commit that a run names by its first digits",
        abbreviation=_NAME,  # in lower case
        commit=_NAME,
    ),
    _table(
        "git_entry_point",
        "where a file that a run names as its source stood at the run's commit",
        commit=_NAME,
        source=_NAME,  # as the run spells it
        entry=_NAME,  # the entry point of a project that the run names, else empty
        candidates=_INT,  # how many files of the commit's tree could be meant
        path=_NAME,  # the file, where there is exactly one candidate
        path_bytes=_BYTES,
        revision_commit=_NAME,  # the commit that made its revision
        project_path=_NAME,  # likewise of the MLproject file that says to run it
        project_path_bytes=_BYTES,
        project_commit=_NAME,
    ),
    _table(
        "git_import",
        "a file that an entry point imports at a commit, by itself or through others",
        commit=_NAME,
        entry_path=_NAME,
        entry_path_bytes=_BYTES,
        path=_NAME,
        path_bytes=_BYTES,
        revision_commit=_NAME,
    ),
    _table(
        "git_folder",
        "a folder with all that stands below it, or a run of a wide one, in the tree of a commit that a run names",
        folder=_NAME,  # a digest of its members
        path=_NAME,
        path_bytes=_BYTES,
    ),
    _table(
        "git_member",
        "what lies right below the root of such a tree, or right below a folder",
        tree=_NAME,  # the commit whose tree it is; or
        folder=_NAME,  # the folder, with the path in git_folder
        member_folder=_NAME,  # a folder in it; or
        revision_commit=_NAME,  # the commit that made the revision of a file in it
        path=_NAME,  # of the folder or the file in it
        path_bytes=_BYTES,
    ),
    _table(
        "git_data",
        "a piece of data that a file of DVC or a pointer of Git LFS named anew at a commit",
        data=_NAME,  # names it: the commit and the path
        commit=_NAME,
        path=_NAME,  # from the root of the repository; a URL, without credentials, where it lies outside
        path_bytes=_BYTES,  # the exact path, only where `path` is not exact
        named_in=_NAME,  # the file that names it
        named_in_bytes=_BYTES,
        tool=_NAME,  # dvc or lfs
        role=_NAME,  # tracked (the commit put it in), output or dependency (of a stage), defined (in dvc.yaml)
        imported_from=_TEXT,  # URL of another repository
        rev_lock=_NAME,  # the commit of that repository
        md5=_NAME,  # that of a folder ends in .dir
        sha256=_NAME,
        etag=_NAME,
        checksum=_NAME,
        version_id=_NAME,
        size_bytes=_INT,
        file_count=_INT,  # of a folder
        remote_path=_TEXT,  # where a remote keeps the content
    ),
    _table(
        "git_data_named",
        "what a revision of a file of DVC names otherwise than its previous revision; see git_data",
        commit=_NAME,
        path=_NAME,
        path_bytes=_BYTES,
        data=_NAME,
        is_named=_FLAG,  # false of what it names no more
    ),
    _table(
        "git_data_artifact",
        "a name that a dvc.yaml gives to a piece of data; see git_data",
        data=_NAME,
        name=_NAME,
        type=_NAME,
    ),
    _table(
        "git_data_link",
        "what a piece of data has to do with another one, or with a file of the tree",
        data=_NAME,
        kind=_NAME,  # revision (the one before), source (made from), member (has it), file (is that file)
        other=_NAME,  # the other piece of data; NULL for a file
        path=_NAME,  # the file
        path_bytes=_BYTES,
        commit=_NAME,  # the commit that made the file's revision
    ),
    _table(
        "git_stage_run",
        "a run of a stage of DVC that a commit was the first to record",
        stage=_NAME,  # names it: the commit, the file, the stage
        commit=_NAME,
        name=_TEXT,  # NULL in a .dvc file
        named_in=_NAME,
        named_in_bytes=_BYTES,
        command=_TEXT,
        params=_TEXTS,  # "file: name = value", sorted
        plan_path=_NAME,  # the dvc.yaml beside it, as it stood at the commit
        plan_path_bytes=_BYTES,
        plan_commit=_NAME,
    ),
    _table(
        "git_stage_data",
        "a piece of data that a run of a stage used or made, or a file that it took parameters from",
        stage=_NAME,
        direction=_NAME,  # used, made or params
        data=_NAME,
        path=_NAME,  # the file of parameters
        path_bytes=_BYTES,
        commit=_NAME,  # the commit that made its revision
    ),
    _table(
        "git_dataset_match",
        "a dataset of a run that is data or a file of the repository, at the run's commit or at one that its URL names",
        commit=_NAME,  # of the run
        name=_NAME,
        digest=_NAME,
        matched_by=_NAME,  # digest, remote_path, path or folder
        data=_NAME,  # the piece of data; NULL for a plain file
        path=_NAME,  # the file
        path_bytes=_BYTES,
        revision_commit=_NAME,  # the commit that made its revision
    ),
)
"""The tables that a Git repository fills."""

"""What pseudonyms leave as it is, and what they treat in a way of its own: tables of words.

The words of the vocabulary stand here once more, since a graph knows nothing of the model; a test
compares them.
"""

from __future__ import annotations

from mlflow2prov.prov.namespaces import M2P, PROV, XSD


def words(text: str) -> frozenset[str]:
    """Return the words of a text.

    >>> sorted(words("a b"))
    ['a', 'b']
    """
    return frozenset(text.split())


TYPES = words(
    "Artifact Assessment Assessor Branch CIJob Change Commit ContainerImage Creation DataRevision Dataset Deletion "
    "Environment EvaluationDataset EvaluationDatasetTag Experiment ExperimentTag Extraction File FileRevision "
    "FormerState Image Job "
    "LoggedModel LoggedModelTag Metric ModelArtifact Notebook Param Prompt PromptVersion RegisteredModel "
    "RegisteredModelAlias RegisteredModelTag RegisteredModelVersion RegisteredModelVersionTag Repository Run "
    "RunTag SoftwareAgent SourceFolder SourceTree Span StageRun SystemMetric Table Tag TagCreation Trace TrackingStore "
    "User WorkTreeDiff"
)
"""The types of the vocabulary; identifiers begin with one of them and a dot."""

ROLES = words(
    "ImportedModule ProjectFile WorkTreeDiff "
    "AddedAssessment AddedEvaluationDataset AssessmentAuthor CIJob ContainerImage EvaluationDatasetAuthor Job "
    "Notebook Prompt TaggedUser TraceAuthor TracedModel "
    "AddedExperiment AddedExperimentTag AddedLoggedModel AddedRegisteredModel AddedRegisteredModelVersion "
    "AddedRevision AddedRun CoAuthor CommitAuthor Committer DeletedExperiment DeletedLoggedModel "
    "DeletedRegisteredModel DeletedRegisteredModelVersion DeletedRevision DeletedRun EntryPoint Environment "
    "ExperimentAuthor Extractor File LoggedModelAuthor ModelInput ModifiedRevision PreviousRevision RegisteredModelAuthor "
    "RegisteredModelVersionAuthor ReviewedBy RunAuthor SignedOffBy SourceCode SourceTree Tag Tagger test testing train "
    "DataRevision Dependency InputData Output Parameters StageRunAuthor "
    "training validation eval evaluation ChangedAlias ChangedState DeletedEvaluationDataset DeletedRegisteredModel"
)
"""The roles of the vocabulary; a store may add its own words for how datasets are used."""

RESOURCES = (
    "assessment",
    "evaluation_dataset",
    "registered_model_version",
    "registered_model_alias",
    "registered_model",
    "logged_model",
    "experiment",
    "run",
)
"""What is made and deleted; the second part of these identifiers."""

WORDS = frozenset(
    f"m2p:{word}"
    for word in words(
        "field lifecycle_stage resource_type schema_version settings source_type stage status work_tree mode matched_by"
    )
)
"""Attributes whose values are words of ours or of MLflow's."""

FREE_TEXT = words(
    "abstract annotation body changelog comment comments content definition description documentation message "
    "note notes rationale commitmessage remark remarks statement statusmessage subject summary text title"
)
"""What ``--keep_free_text`` leaves as it is: attributes of these local names, without ``_`` and ``-``."""

CONTACTS = words(
    "account accountservicehomepage address aimchatid affiliation avatar birthday birthdate dateofbirth depiction "
    "depicts facebook fax github gitlab gravatar homepage icqchatid image img instagram interest jabberid "
    "linkedin mastodon mboxsha1sum mobile msnchatid openid orcid page phone photo postaladdress "
    "publications schoolhomepage skypeid tel telephone tipjar twitter url weblog website workinfohomepage "
    "workplacehomepage yahoochatid"
)
"""What identifies a person without naming them; these attributes of people are replaced as a whole."""

WHOLE_NUMBERS = frozenset(
    f"xsd:{word}"
    for word in words("int integer long nonNegativeInteger positiveInteger unsignedInt unsignedLong")
)
"""Datatypes of numbers that may be those of people's accounts."""

NO_TEXT = WHOLE_NUMBERS | {
    f"xsd:{word}"
    for word in words(
        "boolean byte date dateTime dateTimeStamp decimal double duration float gDay gMonth gMonthDay gYear "
        "gYearMonth negativeInteger nonPositiveInteger short time unsignedByte unsignedShort"
    )
}
"""Datatypes whose values are no text."""

STANDARD = (PROV, XSD)
"""The namespaces in which nothing is ever changed."""

VOCABULARIES = (
    M2P,
    *(f"http://www.w3.org/{part}/" for part in ("ns", 1999, 2000, 2001, 2002, 2003, 2004, 2006, 2008)),
    "http://xmlns.com/foaf/",
    *(f"http://purl.org/{part}/" for part in ("dc", "pav", "spar", "vocab")),
    "http://schema.org/",
    "https://schema.org/",
    "http://usefulinc.com/ns/doap#",
)
"""How the IRIs of well-known vocabularies begin, whose terms are never changed."""

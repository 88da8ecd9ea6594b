"""Checks that the files of a project agree with each other, in every variant."""

from variants.relations import assets, bridge, documents, environments, monitors, names, pipelines, python, workflows
from variants.relations.relation import Relation

RELATIONS: tuple[Relation, ...] = (
    *assets.RELATIONS,
    *bridge.RELATIONS,
    *documents.RELATIONS,
    *environments.RELATIONS,
    *monitors.RELATIONS,
    *names.RELATIONS,
    *pipelines.RELATIONS,
    *python.RELATIONS,
    *workflows.RELATIONS,
)

__all__ = ["RELATIONS", "Relation"]

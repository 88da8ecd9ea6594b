"""What has to hold between the files of a project, whichever variant it is."""

from relations import assets, bridge, documents, environments, monitors, names, pipelines, python, workflows
from relations.relation import Relation

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

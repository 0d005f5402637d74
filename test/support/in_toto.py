"""Holds a statement of provenance (a file of JSON) against in-toto's own library: fails for what that does not take."""

import json
import sys

from google.protobuf.json_format import MessageToDict, ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.resource_descriptor_pb2 import ResourceDescriptor as Descriptor
from in_toto_attestation.v1.statement import Statement

with open(sys.argv[1], encoding="utf-8") as file:
    content = json.load(file)

statement = Statement([ParseDict(one, Descriptor()) for one in content["subject"]], content["predicateType"], content["predicate"])
statement.validate()
assert content["_type"] == "https://in-toto.io/Statement/v1", content["_type"]

# Unlike SLSA's readers, this one refuses members that it does not know.
provenance = ParseDict(content["predicate"], Provenance())
for dependency in provenance.build_definition.resolved_dependencies:
    ResourceDescriptor.copy_from_pb(dependency).validate()

print(json.dumps(MessageToDict(provenance)))

"""The steps of the `digits` pipeline, one module a stage: data, features, models, reports."""

"""What a pipeline's author touches: steps, pipelines, handles, fan-out, gates and promotion."""

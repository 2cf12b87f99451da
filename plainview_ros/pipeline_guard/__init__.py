"""PipelineGuard: finds, sizes and places leaks."""

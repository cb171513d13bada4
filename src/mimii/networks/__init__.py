"""The networks themselves: ``nn.Module``s and nothing else."""

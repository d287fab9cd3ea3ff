"""The rules of `attn doctor`: one module per subject, one function per rule. Each yields remarks and never repairs."""

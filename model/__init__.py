"""FairStack's code model: tokenizer, training, evaluation and generation. The only home of torch."""

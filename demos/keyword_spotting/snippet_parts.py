"""The parts of "Show code": what is done with a sound, in the order in which the code does it.

Each part reads as plain library code once its braces are filled in; `snippet` chooses among them.
"""

from __future__ import annotations

READ = """sound, rate = soundfile.read("{file}", dtype="float32", always_2d=True)
sound = sound.mean(axis=1)  # one channel
if rate != 16000:
    sound = soxr.resample(sound, rate, 16000)
{notes}
"""

PRECISION = "\n# float32, on the CPU. A GPU run is in half precision: the last digits of its scores differ.\n"

FOLDER = """# The folder was made of `pip install {package}`; "openai/whisper-tiny.en" of the Hub is the same.
"""

ONE_WINDOW = """size = round(16000 * {window_s})  # what the model hears at once
missing = max(0, size - len(sound))
windows = [np.pad(sound, (missing // 2, missing - missing // 2))]
starts = [0]
"""

WINDOWS = """size, hop = round(16000 * {window_s}), round(16000 * {hop_s})  # heard at once; how often
starts = [*range(0, len(sound) - size, hop), len(sound) - size]
windows = [sound[start : start + size] for start in starts]
"""

CLASSIFIER = """
classifier = pipeline("audio-classification", model={path}{revision}, dtype=torch.float32)
labels = list(classifier.model.config.id2label.values())
scores = []
for window in windows:
    found = {{one["label"]: one["score"] for one in classifier(window, top_k=None)}}
    scores.append([found[label] for label in labels])
"""

CLAP = """
words = {words}
others = {others}  # what else it might be
classifier = pipeline("zero-shot-audio-classification", model={path}{revision}, dtype=torch.float32)
labels, scores = [*words, "_unknown_"], []
for window in windows:
    window = soxr.resample(window, 16000, 48000)
    found = classifier(window, candidate_labels=words + others, hypothesis_template={sentence!r})
    found = {{one["label"]: one["score"] for one in found}}
    scores.append([*(found[word] for word in words), sum(found[other] for other in others)])
"""

# Whisper's hearing is shortened here as in `families.whisper_words`.
WHISPER_MODEL = """
name = {path}
extractor = WhisperFeatureExtractor.from_pretrained(name{revision}, chunk_length={window_s})
tokenizer = AutoTokenizer.from_pretrained(name{revision})
model = WhisperForConditionalGeneration.from_pretrained(name{revision}, dtype=torch.float32).eval()
encoder, decoder = model.model.encoder, model.model.decoder
encoder.config.max_source_positions = {positions}  # of 1500: sinusoids, the first of which serve a shorter time
encoder.embed_positions = torch.nn.Embedding.from_pretrained(encoder.embed_positions.weight[:{positions}])


def hear(window):
    features = extractor(window, sampling_rate=16000, return_tensors="pt").input_features
    return encoder(features).last_hidden_state

"""

WHISPER = (
    WHISPER_MODEL
    + """
# How each word may be written at the beginning of a transcript, as tokens; and where these spellings branch.
spellings = {{
{written}}}
word_of = {{}}
for word, written in spellings.items():
    for tokens in tokenizer(written, add_special_tokens=False).input_ids:
        word_of.setdefault(tuple(tokens), word)
beginnings = sorted({{tokens[:length] for tokens in word_of for length in range(len(tokens))}}, key=len)
children = {{path: set() for path in beginnings}}
for tokens in word_of:
    for length in range(len(tokens)):
        children[tokens[:length]].add(tokens[length])


def prompt(heard):
    {prompt}


def ask(heard):
    "Return the probability of each word, and that of the likeliest other beginning."
    marks, logs, other = prompt(heard), {{(): torch.tensor(0.0)}}, torch.tensor(-torch.inf)
    for path in beginnings:
        states = decoder(torch.tensor([[*marks, *path]]), encoder_hidden_states=heard).last_hidden_state
        following = model.proj_out(states[0, -1]).log_softmax(-1)
        for token in children[path]:
            logs[*path, token] = logs[path] + following[token]
        following[list(children[path])] = -torch.inf
        if path in word_of:  # a word that a longer one begins with
            logs[path] = logs[path] + following.logsumexp(-1)
        else:
            other = torch.maximum(other, logs[path] + following.max())
    words = [torch.stack([logs[path] for path in word_of if word_of[path] == word]).logsumexp(0) for word in spellings]
    return torch.stack([*words, other + np.log({other})]).softmax(-1)  # other words are expected less


labels = [*spellings, "_unknown_"]
with torch.inference_mode():
    scores = [ask(hear(window)).tolist() for window in windows]
"""
)

ENGLISH_PROMPT = 'return tokenizer.convert_tokens_to_ids(["<|startoftranscript|>", "<|notimestamps|>"])'
PROMPT = """marks = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    return tokenizer.convert_tokens_to_ids(marks)"""
GUESSING_PROMPT = """start, transcribe, plain = tokenizer.convert_tokens_to_ids(
        ["<|startoftranscript|>", "<|transcribe|>", "<|notimestamps|>"]
    )
    choices = torch.tensor(sorted(model.generation_config.lang_to_id.values()))
    states = decoder(torch.tensor([[start]]), encoder_hidden_states=heard).last_hidden_state
    language = choices[model.proj_out(states[0, -1])[choices].argmax()].item()
    return [start, language, transcribe, plain]"""

# What the words of a user's own are told apart by: `Heard.features` of each family.
CLASSIFIER_FEATURES = """
extractor = AutoFeatureExtractor.from_pretrained({path}{revision})
model = AutoModelForAudioClassification.from_pretrained({path}{revision}, dtype=torch.float32).eval()
read = []  # what the head of the model is given: (1, moments, features), or (1, features)
head = getattr(model, "projector", model.classifier)
head.register_forward_pre_hook(lambda module, given: read.append(given[0]))
with torch.inference_mode():
    for window in windows:
        model(**extractor(window, sampling_rate=16000, return_tensors="pt"))
features = np.concatenate([given.mean(1) if given.ndim == 3 else given for given in read])
"""

CLAP_FEATURES = """
extractor = AutoFeatureExtractor.from_pretrained({path}{revision})
model = ClapModel.from_pretrained({path}{revision}, dtype=torch.float32).eval()
features = []
with torch.inference_mode():
    for window in windows:
        given = extractor(soxr.resample(window, 16000, 48000), sampling_rate=48000, return_tensors="pt")
        features.append(model.get_audio_features(**given).pooler_output[0].numpy())
features = np.stack(features)
"""

WHISPER_FEATURES = (
    WHISPER_MODEL
    + """
with torch.inference_mode():
    features = np.concatenate([hear(window).mean(1) for window in windows])
"""
)

TAUGHT = """
# The words you taught, as downloaded: a sound is near one of them, or near the other sounds that are nearest to it.
labels, taught = {words}, load_file("{file}")
near = (features - taught["middle"]) @ taught["levelling"]
near /= np.linalg.norm(near, axis=1, keepdims=True)
others = np.sort(near @ taught["others"].T, axis=1)[:, -{nearest}:].mean(axis=1, keepdims=True)
odds = (near @ taught["prototypes"].T - others) * taught["slopes"] + taught["offsets"]
odds = np.pad(odds, ((0, 0), (0, 1)))  # no word has even odds
scores = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
"""

BEST = """
scores = np.array(scores)
is_word = np.array([label not in ("_unknown_", "_silence_") for label in labels])
silent = [np.abs(window).max() < {silent} for window in windows]
scores[silent] = 0  # nothing to hear
window, best = np.unravel_index(np.where(is_word, scores, -1).argmax(), scores.shape)
print("Best:", labels[best], f"{{scores[window, best]:.3f}}", f"at {{starts[window] / 16000:.2f}} s")
for index in np.argsort(-scores[window], kind="stable")[:{top_k}]:
    print(f"{{scores[window, index]:.3f}} {{labels[index]}}")
"""

DETECT_ONE = """
detected = is_word & (scores[0] >= {threshold})
print("Detected:", labels[np.argmax(np.where(detected, scores[0], -1))] if detected.any() else "nothing")
"""

# The rules of `detector.Detector`.
DETECT = """
recent, word, last_end, up_since = deque(maxlen={smoothing}), None, -np.inf, False
for start, row in zip(starts, scores):
    recent.append(row)
    smoothed, end = np.mean(recent, axis=0), start / 16000 + {window_s}
    up = is_word & (smoothed >= {threshold})
    up_since = up_since and up[word]  # the last word's score has not fallen below the threshold since
    if not up.any() or end - last_end < {suppression_s}:
        continue
    heard = np.argmax(np.where(up, smoothed, -1))
    if heard == word and up_since and start / 16000 < last_end:
        continue
    word, last_end, up_since = heard, end, True
    print("Detected:", labels[word], f"{{smoothed[word]:.3f}}", f"until {{min(end, len(sound) / 16000):.2f}} s")
"""

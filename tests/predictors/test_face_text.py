"""Faces, their descriptions, and where descriptions come from."""

import base64
import json
import sys

import pytest
import torch
from PIL import Image
from web_server import serving

from latentedit.errors import InputError
from latentedit.predictors.captions import PROMPT, Cache, Program, Server, Table, clean, read_captions
from latentedit.predictors.face_text import FaceText, tokenize

transformers = pytest.importorskip("transformers")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "round", "face", "scar", "."]
BERT = {"vocab_size": len(WORDS), "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    path.write_text("\n".join(WORDS))
    return tokenize(["a round face .", "scar"], transformers.BertTokenizer(str(path)))


def make(mode, **settings):
    torch.manual_seed(0)
    return FaceText(mode, width=2, text=BERT, **settings).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 255


def test_descriptions_are_cut_into_padded_tokens(tokens):
    ids, mask = tokens
    assert ids.shape == mask.shape == (2, 512)
    assert [WORDS[i] for i in ids[1, :4]] == ["[CLS]", "scar", "[SEP]", "[PAD]"]
    assert mask.sum(dim=1).tolist() == [6, 3]


def test_words_look_at_patches_and_each_gives_a_number(tokens, images):
    network = make("both")
    ids, mask = tokens
    words = network.bert(input_ids=ids, attention_mask=mask).last_hidden_state
    patches = network.patches(images)
    assert patches.shape == (2, 49, 768)
    seen, weights = network.attend(words, patches)
    assert weights.shape == (2, 512, 49)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 512))
    numbers = network.read(seen)[..., 0] * mask
    torch.testing.assert_close(network(images, ids, mask), network.join(numbers).sigmoid()[:, 0])


def test_padding_does_not_count_unless_as_published(tokens, images):
    ids, mask = tokens
    other = ids.masked_fill(mask == 0, 7)  # a word, where the mask says that there is none
    for as_published in (False, True):
        network = make("both", as_published=as_published)
        network.join.weight.data.fill_(0.01)
        padding = make("both", as_published=as_published)
        padding.join.weight.data.copy_(torch.where(mask[:1] == 0, 0.05, 0.01))  # another weight for padding
        a, b = network(images[:1], ids[:1], mask[:1]), padding(images[:1], ids[:1], mask[:1])
        assert torch.equal(a, b) is not as_published
        assert torch.allclose(network(images[:1], other[:1], mask[:1]), a, atol=1e-5) is not as_published


def test_each_half_alone(tokens, images):
    ids, mask = tokens
    image, text = make("image"), make("text")
    assert image(images).shape == text(images, ids, mask).shape == (2,)
    assert torch.equal(text(images, ids, mask), text(torch.zeros_like(images), ids, mask))
    assert not hasattr(image, "bert")
    assert not hasattr(text, "face")
    with pytest.raises(InputError, match="reads descriptions beside images: `latentedit score` with --captions"):
        make("both")(images)
    with pytest.raises(InputError, match="mode 'images' is not known: choose one of both, image, text"):
        FaceText("images")


def test_pixels_are_centred_unless_as_published():
    white = torch.ones(1, 3, 50, 50)
    assert make("image").preprocess(white).max() == 255
    assert make("image", as_published=True).preprocess(white).max() == 1
    right, wrong = make("image"), make("image", as_published=True)
    x = torch.rand(1, 3, 224, 224)
    torch.testing.assert_close(right.patches(x), wrong.patches(right.face.normalise(x)))


def test_bert_is_as_large_as_bert_base_uncased():
    """109,482,240 (Devlin et al. 2019, transformers' documentation), less the pooler that is not used."""
    with torch.device("meta"):
        network = FaceText("text")
    assert sum(weight.numel() for weight in network.bert.parameters()) == 109_482_240 - (768 * 768 + 768)
    assert network.state_dict()["bert.encoder.layer.11.attention.self.query.weight"].shape == (768, 768)


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_captions_are_cleaned_as_the_published_ones():
    assert clean("A round face,\n  40-ish; really?  ") == "A round face 40 ish really?"


def test_a_table_names_pictures_by_path_or_name(tmp_path, picture):
    (tmp_path / "c.csv").write_text("image,caption\na.png,a round face!\n")
    table = Table(read_captions(tmp_path / "c.csv"))
    assert table(picture) == "a round face"
    with pytest.raises(InputError, match=r"b.png has no caption in the table"):
        table(tmp_path / "b.png")
    (tmp_path / "d.csv").write_text("file,caption\n")
    with pytest.raises(InputError, match=r"d.csv: has no column image"):
        read_captions(tmp_path / "d.csv")


def test_a_program_is_given_the_path_without_a_shell(tmp_path, picture):
    odd = picture.rename(tmp_path / "a; echo no.png")
    code = "import sys, os; print('a face of', os.path.basename(sys.argv[1]), len(sys.argv))"
    assert Program(f'{sys.executable} -c "{code}"')(odd) == "a face of a echo no.png 2"
    assert Program(f'{sys.executable} -c "{code}" {{image}} x')(odd) == "a face of a echo no.png 3"
    with pytest.raises(InputError, match="ended with 3"):
        Program(f'{sys.executable} -c "raise SystemExit(3)"')(odd)
    with pytest.raises(InputError, match="gave no words"):
        Program(f"{sys.executable} -c pass")(odd)
    with pytest.raises(InputError, match="nowhere-at-all"):
        Program("nowhere-at-all")(odd)


def test_a_server_is_asked_as_ollama_is(picture):
    asked = []

    def answer(handler):
        asked.append(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        handler.reply(200, json.dumps({"response": "A scar!"}).encode())

    with serving(answer, lambda handler: handler.reply(404, b"no such model")) as server:
        root = server.url
        assert Server(root, "tiny")(picture) == "A scar"
        with pytest.raises(InputError, match=r"gave no caption \(404.*is tiny running there"):
            Server(root, "tiny")(picture)
        assert server.requests[0][0] == "/api/generate"
    assert base64.b64decode(asked[0].pop("images")[0]) == picture.read_bytes()
    assert asked[0] == {"model": "tiny", "prompt": PROMPT, "stream": False, "options": {"temperature": 0}}


def test_a_cache_asks_once_for_each_content(tmp_path, picture):
    asked = []

    class Counting:
        def __call__(self, image):
            asked.append(image)
            return f"face {len(asked)}"

        def __repr__(self):
            return "counting"

    copy = tmp_path / "copy.png"
    copy.write_bytes(picture.read_bytes())
    cache = Cache(tmp_path / "captions.json", Counting())
    assert cache(picture) == cache(copy) == Cache(tmp_path / "captions.json", Counting())(picture) == "face 1"
    Image.new("RGB", (8, 8), "blue").save(picture)
    assert cache(picture) == "face 2"
    (tmp_path / "captions.json").write_text("no")
    with pytest.raises(InputError, match=r"captions.json: is no JSON of captions"):
        Cache(tmp_path / "captions.json", Counting())

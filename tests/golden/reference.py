"""The two models of the project in PyTorch, as plainly as possible.

An implementation of its own, not a copy of ours: names, layouts and arithmetic are those of
Meta's masked autoencoder (timm 0.4.12 blocks) and of the released AstroMAE network, with any
image size, patch, width and depth. Layer-norm eps 1e-6, batch-norm eps 1e-5, exact-erf GELU.
"""
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

BANDS = 5


def sincos_table(dim, grid):
    """Meta's fixed 2-D sine-cosine table, (1 + grid * grid, dim) float64; row 0 is zero.

    Per patch (row y, column x): [sin(x w), cos(x w), sin(y w), cos(y w)], dim / 4 each,
    w_i = 10000 ** (-i / (dim / 4)).
    """
    quarter = dim // 4
    w = 10000.0 ** (-np.arange(quarter) / quarter)
    y, x = np.meshgrid(np.arange(grid), np.arange(grid), indexing="ij")
    ax, ay = x.reshape(-1, 1) * w, y.reshape(-1, 1) * w
    rows = np.concatenate([np.sin(ax), np.cos(ax), np.sin(ay), np.cos(ay)], axis=1)
    return np.concatenate([np.zeros((1, dim)), rows])


class Attention(nn.Module):
    """pcm: q_bias and v_bias, none for the key. Plain: one bias of 3 * dim."""

    def __init__(self, dim, heads, pcm):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=not pcm)
        if pcm:
            self.q_bias = nn.Parameter(torch.zeros(dim))
            self.v_bias = nn.Parameter(torch.zeros(dim))
        self.pcm = pcm
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, n, c = x.shape
        bias = self.qkv.bias
        if self.pcm:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        qkv = F.linear(x, self.qkv.weight, bias)
        q, k, v = qkv.view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A transformer block; with pcm the convolution module runs beside the attention.

    Its kernels are 1 x 1 with dim / 4 groups, so it sees the patch tokens (cls excluded) one
    by one and any number of visible tokens will do.
    """

    def __init__(self, dim, heads, pcm=False):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, pcm)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)
        if pcm:
            self.PCM = nn.Sequential(
                nn.Conv2d(dim, 4 * dim, 1, groups=dim // 4), nn.BatchNorm2d(4 * dim),
                nn.SiLU(), nn.Conv2d(4 * dim, dim, 1, groups=dim // 4))
        self.pcm = pcm

    def forward(self, x):
        attended = x + self.attn(self.norm1(x))
        if self.pcm:
            tokens = x[:, 1:].transpose(1, 2).unsqueeze(-1)  # (B, C, N, 1)
            c = self.PCM(tokens).squeeze(-1).transpose(1, 2)
            attended = torch.cat([attended[:, :1], attended[:, 1:] + c], dim=1)
        return attended + self.mlp(self.norm2(attended))


class PatchEmbed(nn.Module):
    def __init__(self, patch, dim):
        super().__init__()
        self.proj = nn.Conv2d(BANDS, dim, patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def patchify(images, patch):
    """(N, 5, H, W) -> (N, patches, patch * patch * 5), elements in (row, column, band) order."""
    n, c, h, w = images.shape
    x = images.view(n, c, h // patch, patch, w // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(n, (h // patch) * (w // patch), -1)


class MaskedAutoencoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = c = dict(config)
        dim, ddim = c["embed"], c["decoder_embed"]
        tokens = 1 + (c["image"] // c["patch"]) ** 2
        self.patch_embed = PatchEmbed(c["patch"], dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, dim), requires_grad=False)
        self.blocks = nn.ModuleList(
            [Block(dim, c["heads"], c["pcm"]) for _ in range(c["depth"])])
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.decoder_embed = nn.Linear(dim, ddim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, ddim))
        self.decoder_pos_embed = nn.Parameter(torch.zeros(1, tokens, ddim),
                                              requires_grad=False)
        self.decoder_blocks = nn.ModuleList(
            [Block(ddim, c["decoder_heads"]) for _ in range(c["decoder_depth"])])
        self.decoder_norm = nn.LayerNorm(ddim, eps=1e-6)
        self.decoder_pred = nn.Linear(ddim, c["patch"] ** 2 * BANDS)

    def forward(self, images, noise):
        """loss (scalar), pred (N, patches, p * p * 5), mask (N, patches), 1 = hidden."""
        c = self.config
        x = self.patch_embed(images) + self.pos_embed[:, 1:]
        n, count, dim = x.shape
        keep = math.floor(count * (1 - c["mask_ratio"]))
        order = torch.sort(noise, dim=1, stable=True)[1]  # ties: the lower index first
        restore = torch.argsort(order, dim=1)
        visible = torch.gather(x, 1, order[:, :keep, None].expand(-1, -1, dim))
        mask = torch.ones_like(noise).scatter(1, order[:, :keep], 0.0)

        cls = (self.cls_token + self.pos_embed[:, :1]).expand(n, -1, -1)
        x = torch.cat([cls, visible], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_embed(self.norm(x))

        hidden = self.mask_token.expand(n, count - keep, -1)
        patches = torch.cat([x[:, 1:], hidden], dim=1)
        patches = torch.gather(patches, 1, restore[:, :, None].expand(-1, -1, x.shape[2]))
        x = torch.cat([x[:, :1], patches], dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        pred = self.decoder_pred(self.decoder_norm(x))[:, 1:]

        target = patchify(images, c["patch"])
        if c["norm_pix"]:
            mean = target.mean(dim=-1, keepdim=True)
            var = target.var(dim=-1, keepdim=True)  # unbiased, as in Meta's code
            target = (target - mean) / (var + 1e-6).sqrt()
        loss = ((pred - target) ** 2).mean(dim=-1)
        return (loss * mask).sum() / mask.sum(), pred, mask


class ConvBlock(nn.Module):
    def __init__(self, cin, cout, kernel):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches of equal width; the last block keeps its 5 x 5 branch but never runs it."""

    def __init__(self, cin, width, last=False):
        super().__init__()
        self.branch1 = ConvBlock(cin, width, 1)
        self.branch2 = nn.Sequential(ConvBlock(cin, width, 1), ConvBlock(width, width, 3))
        self.branch3 = nn.Sequential(ConvBlock(cin, width, 1), ConvBlock(width, width, 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1),
                                     ConvBlock(cin, width, 1))
        self.last = last

    def forward(self, x):
        third = [] if self.last else [self.branch3(x)]
        return torch.cat([self.branch1(x), self.branch2(x), *third, self.branch4(x)], dim=1)


def mlp(widths):
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class InceptionModel(nn.Module):
    """What the networks do with images beside the encoder, and with magnitudes.

    Without an encoder it is a network of its own and ends in one of two heads: after the
    inception branch alone, or after inception and magnitudes (Henghes et al. 2022).
    """

    def __init__(self, image, branches, outputs):
        super().__init__()
        self.branches = branches
        if "inception" in branches:
            self.conv2d_init = nn.Conv2d(BANDS, 32, 1)
        if "magnitudes" in branches:
            self.magnitude_block = mlp([BANDS, 1024, 1024, 1024, 1024, 1024])
        if branches == ["inception"]:
            self.Inception_head_block = nn.Sequential(nn.ReLU(), nn.Linear(1096, outputs))
        if branches == ["inception", "magnitudes"]:
            self.head_incept_mag = mlp([1096 + 1024, 1024, outputs])
        flat = 12 * (image // 8) ** 2
        if "inception" in branches:
            self.vis_inception = nn.Sequential(
                self.conv2d_init, nn.AvgPool2d(2), Inception(32, 16), Inception(64, 16),
                nn.AvgPool2d(2), Inception(64, 8), Inception(32, 8), nn.AvgPool2d(2),
                Inception(32, 4, last=True), nn.Flatten(), nn.Linear(flat, 1096), nn.ReLU(),
                nn.Linear(1096, 1096))

    def forward(self, images, mags):
        parts = []
        if "inception" in self.branches:
            parts.append(self.vis_inception(images))
        if "magnitudes" in self.branches:
            parts.append(self.magnitude_block(mags))
        x = torch.cat(parts, dim=1)
        if self.branches == ["inception"]:
            return self.Inception_head_block(x)
        if self.branches == ["inception", "magnitudes"]:
            return self.head_incept_mag(x)
        return x


ALL_BRANCHES = ["encoder", "inception", "magnitudes"]


class AstroMae(nn.Module):
    """The fine-tuned network and the published ablations.

    config: "branches" [all], "outputs" [1], "train_encoder" [False: frozen].
    """

    def __init__(self, config):
        super().__init__()
        self.config = c = {"branches": ALL_BRANCHES, "outputs": 1, "train_encoder": False,
                           **config}
        if "encoder" in c["branches"]:
            self._add_encoder(c)
        if c["branches"] != ["encoder"]:
            self.inception_model = InceptionModel(c["image"], c["branches"], c["outputs"])
        if "encoder" in c["branches"] and len(c["branches"]) > 1:
            width = {"encoder": 1096, "inception": 1096, "magnitudes": 1024}
            self.concat_block = mlp([sum(width[b] for b in c["branches"]), 1024,
                                     c["outputs"]])

    def _add_encoder(self, c):
        dim = c["embed"]
        tokens = 1 + (c["image"] // c["patch"]) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, dim), requires_grad=False)
        self.patch_embed = PatchEmbed(c["patch"], dim)
        self.blocks = nn.ModuleList(
            [Block(dim, c["heads"], c["pcm"]) for _ in range(c["depth"])])
        self.fc_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, dim)
        alone = c["branches"] == ["encoder"]
        self.vit_block = mlp([dim, 1096, 1096] + ([c["outputs"]] if alone else []))
        if not c["train_encoder"]:
            for p in [self.cls_token, *self.patch_embed.parameters(),
                      *self.blocks.parameters()]:
                p.requires_grad = False

    def train(self, mode=True):
        """A frozen encoder's batch norms stay in inference mode."""
        super().train(mode)
        if "encoder" in self.config["branches"] and not self.config["train_encoder"]:
            self.blocks.eval()
        return self

    def _encode(self, images):
        x = self.patch_embed(images)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        x = self.head(self.fc_norm(x[:, 1:].mean(dim=1)))
        alone = self.config["branches"] == ["encoder"]
        return self.vit_block(F.relu(x) if alone else x)

    def forward(self, images, mags):
        """(N, outputs); (N) where there is one output."""
        branches = self.config["branches"]
        parts = [self._encode(images)] if "encoder" in branches else []
        if branches != ["encoder"]:
            parts.append(self.inception_model(images, mags))
        x = torch.cat(parts, dim=1)
        if "encoder" in branches and len(branches) > 1:
            x = self.concat_block(x)
        return x[:, 0] if self.config["outputs"] == 1 else x


def adamw(model, lr, weight_decay, betas):
    """Decay on every trained parameter of two or more dimensions except biases."""
    decayed, free = [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            (free if p.ndim < 2 or name.endswith("bias") else decayed).append(p)
    groups = [{"params": decayed, "weight_decay": weight_decay},
              {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=1e-8)


VARIANTS = {
    "pcm": {"pcm": True}, "plain": {},
    "pcm-vit": {"pcm": True, "branches": ["encoder"]},
    "plain-vit": {"branches": ["encoder"]},
    "pcm-vit-magnitude": {"pcm": True, "branches": ["encoder", "magnitudes"]},
    "plain-vit-magnitude": {"branches": ["encoder", "magnitudes"]},
    "pcm-vit-inception": {"pcm": True, "branches": ["encoder", "inception"]},
    "plain-vit-inception": {"branches": ["encoder", "inception"]},
    "inception": {"branches": ["inception"]},
    "henghes": {"branches": ["inception", "magnitudes"]},
    "scratch-pcm-vit": {"pcm": True, "branches": ["encoder"], "train_encoder": True},
    "scratch-pcm-vit-magnitude": {"pcm": True, "branches": ["encoder", "magnitudes"],
                                  "train_encoder": True},
}


def parameter_counts():
    """name -> [all, trained] parameters of the networks of the paper, class token and
    position table not included; those of the whole pcm network are published."""
    counts = {}
    for name, changes in VARIANTS.items():
        model = AstroMae({"image": 32, "patch": 8, "embed": 192, "depth": 12, "heads": 3,
                          "pcm": False, **changes})
        counted = [(p.numel(), p.requires_grad) for n, p in model.named_parameters()
                   if n not in ("cls_token", "pos_embed")]
        counts[name] = [sum(n for n, _ in counted), sum(n for n, t in counted if t)]
    assert counts["pcm"] == [15899433, 10398057], counts["pcm"]
    return counts


if __name__ == "__main__":
    for variant, (total, trained) in parameter_counts().items():
        print(f"{variant:26} {total:12,d} parameters, {trained:12,d} of them trained")

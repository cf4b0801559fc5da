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
    def __init__(self, image):
        super().__init__()
        self.conv2d_init = nn.Conv2d(BANDS, 32, 1)
        self.magnitude_block = mlp([BANDS, 1024, 1024, 1024, 1024, 1024])
        flat = 12 * (image // 8) ** 2
        self.vis_inception = nn.Sequential(
            self.conv2d_init, nn.AvgPool2d(2), Inception(32, 16), Inception(64, 16),
            nn.AvgPool2d(2), Inception(64, 8), Inception(32, 8), nn.AvgPool2d(2),
            Inception(32, 4, last=True), nn.Flatten(), nn.Linear(flat, 1096), nn.ReLU(),
            nn.Linear(1096, 1096))

    def forward(self, images, mags):
        return torch.cat([self.vis_inception(images), self.magnitude_block(mags)], dim=1)


class AstroMae(nn.Module):
    """The fine-tuned network: frozen encoder, inception branch, magnitudes -> redshift."""

    def __init__(self, config):
        super().__init__()
        self.config = c = dict(config)
        dim = c["embed"]
        tokens = 1 + (c["image"] // c["patch"]) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, dim))
        self.patch_embed = PatchEmbed(c["patch"], dim)
        self.blocks = nn.ModuleList(
            [Block(dim, c["heads"], c["pcm"]) for _ in range(c["depth"])])
        self.fc_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, dim)
        self.vit_block = mlp([dim, 1096, 1096])
        self.inception_model = InceptionModel(c["image"])
        self.concat_block = mlp([1096 + 1096 + 1024, 1024, 1])
        for p in [self.cls_token, self.pos_embed, *self.patch_embed.parameters(),
                  *self.blocks.parameters()]:
            p.requires_grad = False

    def train(self, mode=True):
        """The frozen encoder's batch norms stay in inference mode."""
        super().train(mode)
        self.blocks.eval()
        return self

    def forward(self, images, mags):
        """z_phot (N)."""
        x = self.patch_embed(images)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        x = self.vit_block(self.head(self.fc_norm(x[:, 1:].mean(dim=1))))
        x = torch.cat([x, self.inception_model(images, mags)], dim=1)
        return self.concat_block(x)[:, 0]


def adamw(model, lr, weight_decay, betas):
    """Decay on every trained parameter of two or more dimensions except biases."""
    decayed, free = [], []
    for name, p in model.named_parameters():
        if p.requires_grad:
            (free if p.ndim < 2 or name.endswith("bias") else decayed).append(p)
    groups = [{"params": decayed, "weight_decay": weight_decay},
              {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=1e-8)


def check_parameter_counts():
    """The published model's counts (class token and position table not included)."""
    model = AstroMae({"image": 32, "patch": 8, "embed": 192, "depth": 12, "heads": 3,
                      "pcm": True})
    counted = [(p.numel(), p.requires_grad) for name, p in model.named_parameters()
               if name not in ("cls_token", "pos_embed")]
    total = sum(n for n, _ in counted)
    trained = sum(n for n, t in counted if t)
    assert total == 15899433, total
    assert trained == 10398057, trained


if __name__ == "__main__":
    check_parameter_counts()
    print("reference: 15,899,433 parameters, 10,398,057 of them trained")

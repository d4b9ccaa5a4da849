"""The operators that run on every pixel of a feature map, each with its plain-torch reference."""

from stylegan_ops.bias_act import ACTIVATIONS as ACTIVATIONS
from stylegan_ops.bias_act import bias_act as bias_act
from stylegan_ops.bias_act import bias_act_reference as bias_act_reference
from stylegan_ops.filtered_lrelu import filtered_lrelu as filtered_lrelu
from stylegan_ops.filtered_lrelu import filtered_lrelu_reference as filtered_lrelu_reference
from stylegan_ops.modulated_conv2d import modulated_conv2d as modulated_conv2d
from stylegan_ops.modulated_conv2d import modulated_conv2d_reference as modulated_conv2d_reference
from stylegan_ops.modulated_conv2d import transposed_padding as transposed_padding
from stylegan_ops.style_epilogue import style_epilogue as style_epilogue
from stylegan_ops.style_epilogue import style_epilogue_reference as style_epilogue_reference
from stylegan_ops.upfirdn2d import downsample2d as downsample2d
from stylegan_ops.upfirdn2d import setup_filter as setup_filter
from stylegan_ops.upfirdn2d import upfirdn2d as upfirdn2d
from stylegan_ops.upfirdn2d import upfirdn2d_reference as upfirdn2d_reference
from stylegan_ops.upfirdn2d import upsample2d as upsample2d

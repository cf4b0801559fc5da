#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/plot/plot_font.h"
#include "core/plot/plot_impl.h"
#include "io_helpers.h"

// Ink of a black drawing on white, in pixels.
static double ink_in(const zm_canvas *c, uint32_t left, uint32_t top, uint32_t right,
                     uint32_t bottom)
{
    double sum = 0;
    for (uint32_t y = top; y < bottom; y++)
        for (uint32_t x = left; x < right; x++)
            sum += (255 - c->rgb[((size_t)y * c->width + x) * 3]) / 255.0;
    return sum;
}

static double ink(const zm_canvas *c)
{
    return ink_in(c, 0, 0, c->width, c->height);
}

static zm_canvas fresh(uint32_t width, uint32_t height)
{
    zm_canvas c;
    cr_assert_eq(zm_canvas_init(&c, width, height), ZM_OK);
    return c;
}

static const zm_ink black = {0, 1};

Test(plot, a_rectangle_covers_parts_of_pixels)
{
    zm_canvas c = fresh(8, 8);
    zm_canvas_rect(&c, (zm_box){1.5, 2, 4, 3.25}, black);
    // area 2.5 x 1.25; each of 6 pixels is rounded to 1/255
    cr_expect_float_eq(ink(&c), 2.5 * 1.25, 6.0 / 255);
    cr_expect_eq(c.rgb[(2 * 8 + 2) * 3], 0);
    cr_expect_float_eq(ink_in(&c, 1, 2, 2, 3), 0.5, 1.0 / 255);
    zm_canvas_finish(&c);
}

// A stroke of length L and width w with round ends covers L w + pi w^2 / 4; the edge of
// one pixel's width stands for the exact coverage to a few per cent.
Test(plot, a_line_has_its_area_in_any_direction)
{
    for (int k = 0; k < 8; k++) {
        zm_canvas c = fresh(80, 80);
        const double angle = k * 0.4, length = 40, width = 5;
        zm_canvas_line(&c, 40 - length / 2 * cos(angle), 40 - length / 2 * sin(angle),
                       40 + length / 2 * cos(angle), 40 + length / 2 * sin(angle), width,
                       black);
        const double wanted = length * width + acos(-1.0) * width * width / 4;
        cr_expect_float_eq(ink(&c), wanted, 0.03 * wanted, "angle %g: %g", angle,
                           ink(&c));
        zm_canvas_finish(&c);
    }
}

Test(plot, a_triangle_has_its_area_in_both_orientations)
{
    for (int turn = 0; turn < 2; turn++) {
        zm_canvas c = fresh(60, 60);
        const double x[2][3] = {{10, 50, 20}, {20, 50, 10}};
        const double y[2][3] = {{10, 20, 50}, {50, 20, 10}};
        zm_canvas_triangle(&c, x[turn], y[turn], black);
        cr_expect_float_eq(ink(&c), 750, 0.03 * 750, "%g", ink(&c));
        zm_canvas_finish(&c);
    }
}

Test(plot, nothing_leaves_the_clip_box)
{
    zm_canvas c = fresh(40, 40);
    const zm_box box = {10, 12, 20, 30};
    zm_canvas_clip(&c, &box);
    zm_canvas_rect(&c, (zm_box){-1e300, -5, 1e300, 500}, black);
    zm_canvas_line(&c, -1e9, 20, 1e9, 21, 6, black);
    zm_canvas_text(&c, 0, 25, "wide text over all", &(zm_text){.size = 20});
    cr_expect_float_eq(ink(&c), 180, DBL_EPSILON);
    cr_expect_float_eq(ink_in(&c, 10, 12, 20, 30), 180, DBL_EPSILON);
    zm_canvas_finish(&c);
}

Test(plot, positions_that_are_no_numbers_draw_nothing)
{
    zm_canvas c = fresh(20, 20);
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        zm_canvas_rect(&c, (zm_box){bad[k], bad[k], bad[k], bad[k]}, black);
        zm_canvas_line(&c, bad[k], 2, 10, 10, 3, black);
        zm_canvas_disc(&c, 5, bad[k], 3, black);
        zm_canvas_triangle(&c, (double[]){bad[k], 1, 2}, (double[]){3, 9, 5}, black);
    }
    cr_expect_eq(ink(&c), 0);
    zm_canvas_finish(&c);
}

// A sign at size 40 has a unit of 2 pixels: width plus half a stroke on either side, 16
// units above the line and 4 below it.
Test(plot, every_sign_is_drawn_inside_its_place)
{
    for (int code = ' '; code <= '~'; code++) {
        zm_canvas c = fresh(80, 80);
        const char text[2] = {(char)code, '\0'};
        const double length = zm_text_length(text, 40);
        zm_canvas_text(&c, 20, 50, text, &(zm_text){.size = 40});
        const uint32_t right = (uint32_t)ceil(20 + length) + 1;
        cr_expect_float_eq(length, 2 * (zm_font[code - ' '].width + 3), 1e-12);
        cr_expect_eq(ink(&c) > 0, code != ' ', "sign %c", code);
        cr_expect_float_eq(ink_in(&c, 19, 50 - 34, right, 50 + 11), ink(&c), 1e-9,
                           "sign %c leaves its place", code);
        zm_canvas_finish(&c);
    }
}

Test(plot, markup_sets_lower_and_higher_and_names_signs)
{
    const double size = 20, plain = zm_text_length("zmax", size);
    cr_expect_lt(zm_text_length("z_{max}", size), plain);
    cr_expect_float_eq(zm_text_length("z_{max}", size), zm_text_length("z^{max}", size),
                       0);
    cr_expect_float_eq(zm_text_length("\\sigma", size), size / 20 * (9 + 3), 1e-12);
    cr_expect_gt(zm_text_length("a_b", size), zm_text_length("ab", size),
                 "an underscore without braces is drawn");
    zm_canvas low = fresh(60, 60), high = fresh(60, 60);
    zm_canvas_text(&low, 5, 30, "_{x}", &(zm_text){.size = 20});
    zm_canvas_text(&high, 5, 30, "^{x}", &(zm_text){.size = 20});
    cr_expect_gt(ink_in(&low, 0, 30, 60, 60), 0);
    cr_expect_eq(ink_in(&high, 0, 29, 60, 60), 0);
    zm_canvas_finish(&low);
    zm_canvas_finish(&high);
}

static zm_plot *plot_of(const zm_axes_spec *spec, zm_axes **axes)
{
    zm_plot *p = NULL;
    cr_assert_eq(zm_plot_create(400, 300, &p), ZM_OK);
    *axes = zm_plot_axes(p, spec);
    return p;
}

static const zm_box box = {80, 90, 360, 250};

// Writes to a file that is thrown away: that is what draws frame and texts.
static void draw_all(zm_plot *p)
{
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    cr_assert_eq(zm_plot_write(p, test_join(dir, "figure.png", path)), ZM_OK);
    test_dir_remove(dir);
}

Test(plot, frame_and_texts_lie_outside_the_data)
{
    zm_axes *a = NULL;
    zm_plot *p = plot_of(&(zm_axes_spec){.box = box,
                                         .title = "title",
                                         .numbers = "numbers",
                                         .x_label = "x_{label}",
                                         .y_label = "y",
                                         .x_max = 1,
                                         .y_max = 1},
                         &a);
    zm_axes_line(a, NAN, 0, 0, 0, &(zm_plot_style){.label = "in the legend"});
    draw_all(p);
    cr_expect_eq(ink_in(&p->canvas, 80, 90, 360, 250), 0, "something lies over the data");
    cr_expect_gt(ink_in(&p->canvas, 80, 0, 360, 88), 100, "title, numbers and legend");
    cr_expect_gt(ink_in(&p->canvas, 80, 253, 360, 300), 50, "numbers of the x axis");
    cr_expect_gt(ink_in(&p->canvas, 0, 90, 78, 250), 50, "numbers of the y axis");
    for (uint32_t x = 80; x < 360; x++) // below and above the axes
        cr_expect(p->canvas.rgb[(250 * 400 + x) * 3] < 64 &&
                  p->canvas.rgb[(89 * 400 + x) * 3] < 64);
    zm_plot_destroy(&p);
}

Test(plot, ranges_that_are_none_are_mended)
{
    const double ends[][2] = {
        {0, 0},         {1, -1},         {NAN, 3},         {-INFINITY, INFINITY},
        {1e300, 1e300}, {5, 5 + 1e-300}, {-1e-320, 1e-320}};
    for (size_t k = 0; k < ZM_COUNT_OF(ends); k++)
        for (int log = 0; log < 2; log++) {
            zm_axes *a = NULL;
            zm_plot *p = plot_of(&(zm_axes_spec){.box = box,
                                                 .x_min = ends[k][0],
                                                 .x_max = ends[k][1],
                                                 .y_min = ends[k][0],
                                                 .y_max = ends[k][1],
                                                 .log_y = log},
                                 &a);
            zm_axes_curve(a, (double[]){0, 1, NAN, 3}, (double[]){1, NAN, -1e308, 1e308},
                          4, &(zm_plot_style){.dashed = true});
            zm_axes_density(a, (double[]){0, NAN}, (double[]){1e308, 2}, 2, NULL);
            draw_all(p);
            zm_plot_destroy(&p);
        }
}

Test(plot, a_histogram_fills_its_bars)
{
    zm_axes *a = NULL;
    zm_plot *p = plot_of(&(zm_axes_spec){.box = box, .x_max = 2, .y_max = 4}, &a);
    zm_axes_steps(a, (double[]){0, 1, 2}, (double[]){1, 3}, 2, true,
                  &(zm_plot_style){.rgb = 0});
    // 280 x 160 pixels: bars of 140 x 40 and 140 x 120
    cr_expect_float_eq(ink_in(&p->canvas, 80, 90, 220, 250), 140 * 40, 1e-9);
    cr_expect_float_eq(ink_in(&p->canvas, 220, 90, 360, 250), 140 * 120, 1e-9);
    zm_plot_destroy(&p);
}

Test(plot, a_density_counts_every_point_once)
{
    enum { N = 5000 };
    static double x[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = fmod(i * 0.618033988749895, 1);
        y[i] = (double)i / (N - 1);
    }
    x[0] = -0.1, y[1] = 1.5, x[2] = 7, y[3] = -INFINITY;
    zm_axes *a = NULL;
    zm_density d;
    zm_plot *p = plot_of(&(zm_axes_spec){.box = box, .x_max = 1, .y_max = 1}, &a);
    zm_axes_density(a, x, y, N, &d);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < d.rows * d.columns; i++)
        sum += d.counts[i];
    cr_expect_eq(sum, N - 4, "%llu", (unsigned long long)sum);
    cr_expect_eq(d.outside, 4);
    cr_expect_eq(a->labels, 1, "the legend counts what lies outside");
    cr_expect_str_eq(a->legend[0].label, "4 outside");
    // no point of the upper right corner is lost to rounding
    cr_expect_gt(d.counts[d.rows * d.columns - 1] + d.counts[d.rows * d.columns - 2], 0);
    free(d.counts);
    zm_plot_destroy(&p);
}

Test(plot, ticks_have_the_digits_of_their_distance)
{
    char text[ZM_TICK_TEXT];
    zm_tick_text(0.3, 0.1, text);
    cr_expect_str_eq(text, "0.3");
    zm_tick_text(-1e-17, 0.05, text);
    cr_expect_str_eq(text, "0.00");
    zm_tick_text(2500, 500, text);
    cr_expect_str_eq(text, "2500");
    zm_tick_text(3e8, 1e8, text);
    cr_expect_str_eq(text, "3e+08");
}

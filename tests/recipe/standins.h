// SPDX-License-Identifier: Apache-2.0
//
// Small files in place of the data sets that recipes name, made up so that every recipe can be
// opened anywhere: the same names, columns and classes, a hundred rows or two.
//
// A row's template is copied as it stands, but for [a|b|c], where row i takes one of the words, and
// #, a number below 100 that differs from row to row. Words of one row are drawn independently.
#ifndef HEED_TESTS_STANDINS_H
#define HEED_TESTS_STANDINS_H

#include "base/fs.h"
#include "base/rng.h"
#include "prepare/image.h"

typedef struct standin {
    const char *path, *header, *row;
    int rows;
} standin;

#define ADULT(end)                                                                               \
    "[2|3|4|5]#, [Private|?|State-gov], 7#, [Bachelors|9th], [13|5], [Divorced|Never-married], " \
    "[Sales|?|Tech-support], [Husband|Own-child|Wife], [White|Black], [Male|Female], [0|0|7#], " \
    "[0|0|19#], [40|35|60], [United-States|?|Peru], [<=50K" end "|>50K" end "]\n"
#define NEWS "[股市|房价|基金|高考][今天|再次|突然][上涨|下跌|公布]#点\t[0|1|2|3|4|5|6|7|8|9]\n"
#define AG                                                                   \
    "[Stocks|Troops|The team|A chip] [rise|fall|win] [again|at last] by #\t" \
    "[World|Sports|Business|Sci/Tech]\n"
#define QUESTION                                                                              \
    "[NUM:dist|LOC:city|HUM:ind|DESC:def|ENTY:animal|ABBR:exp]\t[How far|Who|What] [is|was] " \
    "[Denver|the owl|NATO] from # ?\n"
#define TNEWS                                                                                      \
    "{\"label\": 1##, \"label_desc\": \"[news_a|news_b|news_c|news_d|news_e|news_f|news_g|news_h|" \
    "news_i|news_j|news_k|news_l|news_m|news_n|news_o]\", \"sentence\": "                          \
    "\"[农村|手机|球队][依然|终于][很重视|卖出|赢了]#\", \"keywords\": \"\", \"id\": #}\n"
#define FILM "[a|the] [charming|dull|long] [film|story] [about|of] [love|bears] #\t[0|1]\n"

static const standin standins[] = {
    {"adult/adult-train.csv.gz", "", ADULT(""), 120},
    {"adult/adult-test.csv.gz", "", ADULT("."), 40},
    {"tiny-shakespeare/input.txt.gz", "",
     "[ROMEO|JULIET]:\n[But|O|Ay], [soft|light]! # [is it|do]\n", 400},
    {"chinese-poetry/song_ci.jsonl.gz", "",
     "{\"title\": \"[导引|清平乐]\", \"author\": \"和岘\", \"text\": \"[明月|春风|流水][何处|又绿][江南|楼头]，#。\"}\n",
     400},
    {"thucnews-titles/train_45k.txt.gz", "", NEWS, 120},
    {"thucnews-titles/dev.txt.gz", "", NEWS, 60},
    {"thucnews-titles/test.txt.gz", "", NEWS, 60},
    {"ag-news/train_10k.tsv.gz", "", AG, 120},
    {"ag-news/test.tsv.gz", "", AG, 60},
    {"tnews-fewclue/train_few_all.jsonl.gz", "", TNEWS, 150},
    {"tnews-fewclue/dev_few_all.jsonl.gz", "", TNEWS, 60},
    {"tnews-fewclue/test_public.jsonl.gz", "", TNEWS, 60},
    {"tnews-fewclue/unlabeled.jsonl.gz", "", TNEWS, 60},
    {"trec-questions/train.tsv.gz", "", QUESTION, 120},
    {"trec-questions/test.tsv", "", QUESTION, 60},
    {"chnsenticorp-hotel/ChnSentiCorp_htl_all.csv.gz", "label,review\n",
     "[1|0],\"[距离|房间][很近|干净|太小],[服务|早餐]\"\"[不错|难吃]\"\"#\"\n", 120},
    {"sst2/train.tsv.gz", "sentence\tlabel\n", FILM, 120},
    {"sst2/dev.tsv.gz", "sentence\tlabel\n", FILM, 60},
    {"sst2/test.tsv", "sentence\tlabel\n", FILM, 60},
    {"covid19-jhu/confirmed_global.csv.gz", NULL, NULL, 12},
    {"ett-h1/ETTh1.csv.gz", "date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT\n",
     "2016-07-01 0#,[5|6].#,2.#,1.#,0.#,[4|3].#,1.#,[30|-2].#\n", 2400},
    {"classic-series/airline-passengers.csv", "\"Month\",\"Passengers\"\n", "\"1949-#\",[1|2|3]#\n",
     144},
    {"telco-churn/telco_churn.csv.gz",
     "customerID,Gender,SeniorCitizen,Partner,Dependents,Tenure,PhoneService,MultipleLines,InternetService,"
     "OnlineSecurity,OnlineBackup,DeviceProtection,TechSupport,StreamingTV,StreamingMovies,Contract,"
     "PaperlessBilling,PaymentMethod,MonthlyCharges,TotalCharges,Churn\n",
     "7#-A,[Male|Female],[0|1],[Yes|No],[Yes|No],#,[Yes|No],[Yes|No],[DSL|No|Fiber],[Yes|No],[Yes|No],"
     "[Yes|No],[Yes|No],[Yes|No],[Yes|No],[Monthly|One year],[Yes|No],[Manual|Card],#.5,[ |#.9],[Yes|No]\n",
     120},
    {"titanic/titanic3.csv",
     "\"pclass\",\"survived\",\"name\",\"sex\",\"age\",\"sibsp\",\"parch\",\"ticket\",\"fare\",\"cabin\","
     "\"embarked\",\"boat\",\"body\",\"home.dest\"\n",
     "[1|2|3],[0|1],\"Allen, Miss. #\",\"[female|male]\",[#|],[0|1],[0|2],\"24#\",[7|3]#.5,\"[B5|]\","
     "\"[S|C|]\",\"[2|]\",,\"\"\n",
     120},
};

static void standin_add(hd_rng *rng, const char *text, size_t n, hd_str *out) {
    for (const char *at = text, *end = text + n; at < end; at++) {
        if (*at == '#') {
            hd_str_addf(out, "%u", (unsigned)hd_rng_below(rng, 100));
        } else if (*at == '[') {
            const char *close = memchr(at, ']', (size_t)(end - at)), *word = at + 1;
            unsigned words = 1;
            for (const char *bar = at; bar < close; bar++) words += *bar == '|';
            for (uint64_t skip = hd_rng_below(rng, words); skip > 0; word++) skip -= *word == '|';
            size_t most = (size_t)(close - word);
            const char *bar = memchr(word, '|', most);
            standin_add(rng, word, bar ? (size_t)(bar - word) : most, out);
            at = close;
        } else {
            hd_str_addc(out, *at);
        }
    }
}

// Places in rows, days in columns: cumulative counts.
static void standin_days(int places, hd_rng *rng, hd_str *out) {
    enum { DAYS = 400 };
    hd_str_add(out, "Province,Country,Lat,Lon");
    for (int day = 0; day < DAYS; day++) hd_str_addf(out, ",d%d", day);
    for (int place = 0; place < places; place++) {
        unsigned count = 0;
        hd_str_addf(out, "\n,Place %d,1.5,2.5", place);
        for (int day = 0; day < DAYS; day++)
            hd_str_addf(out, ",%u", count += (unsigned)hd_rng_below(rng, 50));
    }
    hd_str_addc(out, '\n');
}

// MNIST's format: n pictures of 28 x 28, or n labels.
static void standin_idx(bool pictures, unsigned n, unsigned classes, hd_rng *rng, hd_str *out) {
    const char head[] = {0, 0, 8, pictures ? 3 : 1, 0, 0, 0, (char)n, 0, 0, 0, 28, 0, 0, 0, 28};
    hd_str_addn(out, head, pictures ? 16 : 8);
    for (unsigned i = 0; i < (pictures ? n * 28 * 28 : n); i++)
        hd_str_addc(out, (char)(pictures ? hd_rng_below(rng, 256) : i % classes));
}

static void standin_picture(hd_rng *rng, hd_str *out) {
    hd_image image;
    assert_int_equal(hd_image_new(20, 30, 3, &image), HEED_OK);
    for (size_t i = 0; i < 20 * 30 * 3; i++)
        image.pixels[i] = (unsigned char)hd_rng_below(rng, 256);
    assert_int_equal(hd_image_png(&image, out), HEED_OK);
    hd_image_clear(&image);
}

static void standin_write(const char *root, const char *name, hd_str *text) {
    char path[512];
    hd_snprintf(path, sizeof path, "%s/%s", root, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(hd_fs_mkdirs(path, 0700), HEED_OK);
    path[strlen(path)] = '/';
    assert_int_equal(hd_str_check(text), HEED_OK);
    assert_int_equal(hd_fs_write(path, text->data, text->len, 0600), HEED_OK);
    hd_str_clear(text);
}

static void standin_rows(const char *root, const standin *s, hd_rng *rng) {
    hd_str text;
    hd_str_init(&text);
    if (s->header) hd_str_add(&text, s->header);
    for (int i = 0; s->row && i < s->rows; i++) standin_add(rng, s->row, strlen(s->row), &text);
    if (!s->row) standin_days(s->rows, rng, &text);
    standin_write(root, s->path, &text);
}

// WordNet's files, with one noun.
static void standin_wordnet(const char *root) {
    static const struct {
        const char *name, *text;
    } files[] = {{"wordnet/data.noun", "00000000 05 n 01 owl 0 000 | a bird\n"},
                 {"wordnet/index.noun", "owl n 1 0 1 1 00000000  \n"},
                 {"wordnet/noun.exc", "\n"},
                 {"wordnet/data.verb", "\n"},
                 {"wordnet/index.verb", "\n"},
                 {"wordnet/verb.exc", "\n"}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        hd_str text;
        hd_str_init(&text);
        hd_str_add(&text, files[i].text);
        standin_write(root, files[i].name, &text);
    }
}

// All of them, into the folder `root`.
static void standins_write(const char *root) {
    static const struct {
        const char *name;
        unsigned n, classes;
    } idx[] = {{"mnist/train", 120, 10},         {"mnist/t10k", 40, 10},
               {"fashion-mnist/train", 120, 10}, {"fashion-mnist/t10k", 40, 10},
               {"pneumoniamnist/train", 120, 2}, {"pneumoniamnist/val", 40, 2}};
    hd_rng rng = hd_rng_make(1, 7);
    hd_str text;
    char name[128];
    hd_str_init(&text);
    for (size_t i = 0; i < sizeof standins / sizeof standins[0]; i++)
        standin_rows(root, &standins[i], &rng);
    standin_wordnet(root);
    for (size_t i = 0; i < 2 * sizeof idx / sizeof idx[0]; i++) {
        bool pictures = i % 2 == 0;
        standin_idx(pictures, idx[i / 2].n, idx[i / 2].classes, &rng, &text);
        hd_snprintf(name, sizeof name, "%s-%s-ubyte.gz", idx[i / 2].name,
                    pictures ? "images-idx3" : "labels-idx1");
        standin_write(root, name, &text);
    }
    for (int i = 0; i < 24; i++) {
        standin_picture(&rng, &text);
        hd_snprintf(name, sizeof name, "photos/%s/%d.png", i % 2 ? "cats" : "dogs", i);
        standin_write(root, name, &text);
    }
}

#endif

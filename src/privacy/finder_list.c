// SPDX-License-Identifier: Apache-2.0
//
// The types, a row each.
#include "privacy/finder_own.h"

const hd_finder_row hd_finder_rows[HD_PII_TYPES] = {
    [HD_PII_EMAIL] = {"email", HD_TEXT("[e-mail]", "[邮箱]"), HD_TEXT("e-mail address", "电子邮箱"),
                      HD_START_DIGIT | HD_START_LETTER, hd_match_email, NULL},
    [HD_PII_PHONE] = {"phone", HD_TEXT("[phone]", "[电话号码]"),
                      HD_TEXT("phone number", "电话号码"), HD_START_DIGIT | HD_START_SIGN,
                      hd_match_phone, NULL},
    [HD_PII_IP] = {"ip", HD_TEXT("[IP address]", "[IP地址]"), HD_TEXT("IP address", "IP 地址"),
                   HD_START_DIGIT | HD_START_LETTER | HD_START_SIGN, hd_match_ip, NULL},
    [HD_PII_URL] = {"url", HD_TEXT("[link]", "[网址]"), HD_TEXT("web address", "网址"),
                    HD_START_DIGIT | HD_START_LETTER, hd_match_url, NULL},
    [HD_PII_CARD] = {"card", HD_TEXT("[card number]", "[银行卡号]"),
                     HD_TEXT("bank card number", "银行卡号"), HD_START_DIGIT, hd_match_card,
                     hd_valid_card},
    [HD_PII_IBAN] = {"iban", HD_TEXT("[IBAN]", "[银行账户]"),
                     HD_TEXT("bank account (IBAN)", "银行账户（IBAN）"), HD_START_LETTER,
                     hd_match_iban, hd_valid_iban},
    [HD_PII_SSN] = {"ssn", HD_TEXT("[social security number]", "[社会安全号]"),
                    HD_TEXT("US social security number", "美国社会安全号"), HD_START_DIGIT,
                    hd_match_ssn, NULL},
    [HD_PII_ID_CARD] = {"id_card", HD_TEXT("[ID number]", "[身份证号]"),
                        HD_TEXT("Chinese resident ID", "居民身份证号"), HD_START_DIGIT,
                        hd_match_id_card, NULL},
    [HD_PII_COMPANY] = {"company_code", HD_TEXT("[company code]", "[信用代码]"),
                        HD_TEXT("unified social credit code", "统一社会信用代码"),
                        HD_START_DIGIT | HD_START_LETTER, hd_match_company_code,
                        hd_valid_company_code},
    [HD_PII_PASSPORT] = {"passport", HD_TEXT("[passport]", "[护照号]"),
                         HD_TEXT("passport number", "护照号"), HD_START_DIGIT | HD_START_LETTER,
                         hd_match_passport, NULL},
    [HD_PII_PLATE] = {"plate", HD_TEXT("[number plate]", "[车牌号]"),
                      HD_TEXT("Chinese number plate", "车牌号"), HD_START_HAN, hd_match_plate,
                      NULL},
    [HD_PII_WECHAT] = {"wechat", HD_TEXT("[WeChat]", "[微信号]"), HD_TEXT("WeChat name", "微信号"),
                       HD_START_LETTER, hd_match_wechat, NULL},
    [HD_PII_QQ] = {"qq", HD_TEXT("[QQ]", "[QQ号]"), HD_TEXT("QQ number", "QQ 号"), HD_START_DIGIT,
                   hd_match_qq, NULL},
    [HD_PII_ADDRESS] = {"address", HD_TEXT("[address]", "[地址]"),
                        HD_TEXT("postal address", "地址"),
                        HD_START_DIGIT | HD_START_LETTER | HD_START_HAN, hd_match_address, NULL},
    [HD_PII_NAME] = {"name", HD_TEXT("[name]", "[姓名]"), HD_TEXT("person's name", "姓名"),
                     HD_START_LETTER | HD_START_HAN, hd_match_name, NULL},
    [HD_PII_BIRTH] = {"birth_date", HD_TEXT("[date of birth]", "[出生日期]"),
                      HD_TEXT("date of birth", "出生日期"), HD_START_DIGIT, hd_match_birth, NULL},
};

const char *hd_pii_name(hd_pii type) {
    return hd_finder_rows[type].name;
}

hd_text hd_pii_doc(hd_pii type) {
    return hd_finder_rows[type].doc;
}

hd_text hd_pii_mark(hd_pii type) {
    return hd_finder_rows[type].mark;
}

bool hd_pii_find(hd_slice name, hd_pii *out) {
    for (size_t t = 0; t < HD_PII_TYPES; t++) {
        if (!hd_slice_eq(name, hd_finder_rows[t].name)) continue;
        *out = (hd_pii)t;
        return true;
    }
    return false;
}

"""Texts of generated audiences and campaigns by language.

Other languages get English texts with local places.

Placeholders: `{place}` a city or region, `{quarter}` a quarter with its year, `{segment}` the name of a segment.
"""

from typing import NamedTuple


class Vocabulary(NamedTuple):
    """Words of one language.

    Attributes:
        quarter: format of a quarter, with placeholders `{q}` and `{year}`.
        segments: names of customer segments with their descriptions.
        names: formats of audience names.
        campaigns: formats of campaign names.
        phone_columns: CSV headers of the phone column.
    """

    quarter: str
    segments: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    campaigns: tuple[str, ...]
    phone_columns: tuple[str, ...]


_COLUMNS = ("phone", "phoneNumber", "contact_number", "mobile", "phone_number", "Phone")

VOCABULARIES = {
    "en": Vocabulary(
        quarter="Q{q} {year}",
        segments=(
            ("Lapsed customers", "No order in the last 90 days; win-back offer by phone, {place} first."),
            ("Newsletter subscribers", "Opted in through the footer form, {quarter}; consent to calls is on file."),
            ("Trial sign-ups", "Started a free trial in {quarter} and have not chosen a plan yet."),
            ("Webinar attendees", "Stayed to the end of the {quarter} webinar; follow up within a week."),
            ("Trade show leads", "Badges scanned at our booth in {place}. Mixed quality, qualify first."),
            ("Abandoned carts", "Left a full cart behind in {quarter}; remind them of free delivery."),
            ("Renewals due", "Contracts that end after {quarter}; renewal terms come from the account owner."),
            ("Loyalty members", "Gold tier and above in the {place} region. Thank-you call, no selling."),
            ("Demo requests", "Asked for a demo on the website in {quarter} and left a direct number."),
            ("Referral programme", "Recommended us to at least one friend; the reward is still unclaimed."),
            ("Appointment reminders", "Bookings at the {place} branch; confirm the slot the day before."),
            ("Product waitlist", "Waiting for the {quarter} launch. Early access for whoever answers."),
            ("Feedback survey", "Bought in {quarter}; three questions, two minutes, transcript to support."),
            ("Open house visitors", "Visited the open house in {place} and ticked 'call me'."),
            ("Invoice follow-up", "Invoices open for more than 30 days. Polite reminder, offer instalments."),
            ("First-time buyers", "First order in {quarter}; welcome call and a voucher for the second one."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place}: {segment}", "{quarter} {segment}"),
        campaigns=("{segment} calls {quarter}", "{place} outreach", "{quarter} follow-up", "{segment}, second wave"),
        phone_columns=_COLUMNS,
    ),
    "de": Vocabulary(
        quarter="Q{q}/{year}",
        segments=(
            ("Inaktive Kunden", "Seit 90 Tagen keine Bestellung; Rückgewinnung per Telefon, zuerst {place}."),
            ("Newsletter-Abonnenten", "Anmeldung über die Website im {quarter}; Einwilligung liegt vor."),
            ("Testphase", "Testzugang seit {quarter}, noch kein Tarif gewählt."),
            ("Messekontakte", "Am Stand in {place} erfasst. Vor dem Angebot qualifizieren."),
            ("Abgebrochene Warenkörbe", "Warenkorb im {quarter} nicht abgeschlossen; an Gratisversand erinnern."),
            ("Vertragsverlängerung", "Verträge enden nach {quarter}; Konditionen nennt der Betreuer."),
            ("Stammkunden", "Treueprogramm, Raum {place}. Dankesanruf ohne Verkauf."),
            ("Terminerinnerung", "Termine in der Filiale {place}; am Vortag bestätigen."),
            ("Kundenbefragung", "Kauf im {quarter}; drei Fragen, zwei Minuten."),
            ("Zahlungserinnerung", "Rechnungen seit über 30 Tagen offen. Ratenzahlung anbieten."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place}: {segment}"),
        campaigns=("{segment} {quarter}", "Telefonaktion {place}", "Nachfassen {quarter}"),
        phone_columns=("telefon", "telefonnummer", "rufnummer", "mobil", *_COLUMNS[:2]),
    ),
    "fr": Vocabulary(
        quarter="T{q} {year}",
        segments=(
            ("Clients inactifs", "Aucune commande depuis 90 jours ; offre de retour, {place} d'abord."),
            ("Abonnés à la newsletter", "Inscrits sur le site au {quarter} ; accord d'appel enregistré."),
            ("Essais gratuits", "Essai commencé au {quarter}, aucune formule choisie."),
            ("Contacts du salon", "Badges scannés sur notre stand à {place}. À qualifier."),
            ("Paniers abandonnés", "Panier laissé au {quarter} ; rappeler la livraison offerte."),
            ("Contrats à renouveler", "Échéance après le {quarter} ; conditions chez le responsable de compte."),
            ("Clients fidèles", "Programme de fidélité, région de {place}. Appel de remerciement."),
            ("Rappels de rendez-vous", "Rendez-vous à l'agence de {place} ; confirmer la veille."),
            ("Enquête de satisfaction", "Achat au {quarter} ; trois questions, deux minutes."),
            ("Relances de factures", "Factures ouvertes depuis plus de 30 jours. Proposer un échéancier."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place} : {segment}"),
        campaigns=("{segment} {quarter}", "Appels {place}", "Relance {quarter}"),
        phone_columns=("telephone", "numero", "portable", "tel", *_COLUMNS[:2]),
    ),
    "es": Vocabulary(
        quarter="T{q} {year}",
        segments=(
            ("Clientes inactivos", "Sin pedidos en 90 días; oferta de regreso, primero {place}."),
            ("Suscriptores del boletín", "Alta en la web en {quarter}; consentimiento de llamada registrado."),
            ("Pruebas gratuitas", "Prueba iniciada en {quarter}, todavía sin plan."),
            ("Contactos de feria", "Acreditaciones leídas en {place}. Cualificar antes de ofrecer."),
            ("Carritos abandonados", "Carrito sin cerrar en {quarter}; recordar el envío gratis."),
            ("Renovaciones", "Contratos que vencen tras {quarter}; condiciones con su gestor."),
            ("Clientes fieles", "Programa de puntos, zona de {place}. Llamada de agradecimiento."),
            ("Recordatorio de citas", "Citas en la oficina de {place}; confirmar el día anterior."),
            ("Encuesta de satisfacción", "Compra en {quarter}; tres preguntas, dos minutos."),
            ("Facturas pendientes", "Facturas abiertas más de 30 días. Ofrecer plazos."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place}: {segment}"),
        campaigns=("{segment} {quarter}", "Llamadas {place}", "Seguimiento {quarter}"),
        phone_columns=("telefono", "movil", "celular", "numero", *_COLUMNS[:2]),
    ),
    "pt": Vocabulary(
        quarter="T{q} {year}",
        segments=(
            ("Clientes inativos", "Sem pedidos há 90 dias; oferta de retorno, começando por {place}."),
            ("Assinantes da newsletter", "Inscritos no site no {quarter}; consentimento registrado."),
            ("Testes gratuitos", "Teste iniciado no {quarter}, ainda sem plano."),
            ("Contatos da feira", "Crachás lidos no estande em {place}. Qualificar antes."),
            ("Carrinhos abandonados", "Carrinho deixado no {quarter}; lembrar do frete grátis."),
            ("Renovações", "Contratos que vencem após o {quarter}; condições com o gerente."),
            ("Clientes fiéis", "Programa de pontos, região de {place}. Ligação de agradecimento."),
            ("Lembretes de consulta", "Horários na unidade de {place}; confirmar na véspera."),
            ("Pesquisa de satisfação", "Compra no {quarter}; três perguntas, dois minutos."),
            ("Faturas em aberto", "Faturas abertas há mais de 30 dias. Oferecer parcelas."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place}: {segment}"),
        campaigns=("{segment} {quarter}", "Ligações {place}", "Retorno {quarter}"),
        phone_columns=("telefone", "celular", "numero", "whatsapp", *_COLUMNS[:2]),
    ),
    "hi": Vocabulary(
        quarter="तिमाही {q}, {year}",
        segments=(
            ("निष्क्रिय ग्राहक", "पिछले 90 दिनों में कोई ऑर्डर नहीं; पहले {place} में फ़ोन से ऑफ़र दें।"),
            ("न्यूज़लेटर ग्राहक", "{quarter} में वेबसाइट से जुड़े; कॉल की सहमति दर्ज है।"),
            ("मुफ़्त ट्रायल", "{quarter} में ट्रायल शुरू किया, अभी प्लान नहीं चुना।"),
            ("मेले के संपर्क", "{place} के स्टॉल पर मिले। पहले ज़रूरत समझें।"),
            ("नवीनीकरण", "{quarter} के बाद समाप्त होने वाले अनुबंध।"),
            ("वफ़ादार ग्राहक", "{place} क्षेत्र के पुराने ग्राहक। केवल धन्यवाद कॉल।"),
            ("अपॉइंटमेंट याद दिलाना", "{place} शाखा की बुकिंग; एक दिन पहले पुष्टि करें।"),
            ("ग्राहक सर्वेक्षण", "{quarter} में खरीदारी; तीन सवाल, दो मिनट।"),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place}: {segment}"),
        campaigns=("{segment} {quarter}", "{place} कॉल अभियान", "{quarter} फ़ॉलो-अप"),
        phone_columns=_COLUMNS,
    ),
    "ja": Vocabulary(
        quarter="{year}年第{q}四半期",
        segments=(
            ("休眠顧客", "90日間注文なし。まず{place}から電話で再提案。"),
            ("メルマガ会員", "{quarter}にサイトで登録。電話の同意あり。"),
            ("無料トライアル", "{quarter}に開始、プラン未選択。"),
            ("展示会リード", "{place}の展示会で名刺交換。要件を確認する。"),
            ("契約更新", "{quarter}以降に満了する契約。"),
            ("優良顧客", "{place}エリアの会員。お礼の電話のみ。"),
            ("予約確認", "{place}店の予約。前日に確認する。"),
            ("満足度調査", "{quarter}の購入者。質問3つ、2分。"),
        ),
        names=("{segment}（{place}）", "{segment} {quarter}", "{place} {segment}"),
        campaigns=("{segment} {quarter}", "{place} 架電", "{quarter} フォロー"),
        phone_columns=("電話番号", "携帯", *_COLUMNS[:4]),
    ),
    "it": Vocabulary(
        quarter="T{q} {year}",
        segments=(
            ("Clienti inattivi", "Nessun ordine da 90 giorni; offerta di rientro, prima {place}."),
            ("Iscritti alla newsletter", "Iscritti dal sito nel {quarter}; consenso alle chiamate registrato."),
            ("Prove gratuite", "Prova iniziata nel {quarter}, piano non ancora scelto."),
            ("Contatti in fiera", "Badge letti allo stand in {place}. Da qualificare."),
            ("Rinnovi in scadenza", "Contratti che scadono dopo il {quarter}; condizioni dal responsabile."),
            ("Clienti fedeli", "Programma fedeltà, zona {place}. Chiamata di ringraziamento."),
            ("Promemoria appuntamenti", "Appuntamenti nella sede di {place}; confermare il giorno prima."),
            ("Sondaggio clienti", "Acquisto nel {quarter}; tre domande, due minuti."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place}: {segment}"),
        campaigns=("{segment} {quarter}", "Chiamate {place}", "Richiamo {quarter}"),
        phone_columns=("telefono", "cellulare", "numero", *_COLUMNS[:2]),
    ),
    "nl": Vocabulary(
        quarter="Q{q} {year}",
        segments=(
            ("Slapende klanten", "Al 90 dagen geen bestelling; terugkeeraanbod, eerst {place}."),
            ("Nieuwsbriefabonnees", "Ingeschreven via de site in {quarter}; toestemming om te bellen ligt vast."),
            ("Proefperiodes", "Proef gestart in {quarter}, nog geen pakket gekozen."),
            ("Beurscontacten", "Badges gescand in {place}. Eerst kwalificeren."),
            ("Verlengingen", "Contracten die na {quarter} aflopen; voorwaarden bij de accountmanager."),
            ("Vaste klanten", "Spaarprogramma, regio {place}. Alleen bedanken."),
            ("Afspraakherinneringen", "Afspraken in het filiaal {place}; de dag ervoor bevestigen."),
            ("Klantonderzoek", "Aankoop in {quarter}; drie vragen, twee minuten."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place}: {segment}"),
        campaigns=("{segment} {quarter}", "Belactie {place}", "Opvolging {quarter}"),
        phone_columns=("telefoon", "telefoonnummer", "mobiel", *_COLUMNS[:2]),
    ),
    "pl": Vocabulary(
        quarter="{q}. kwartał {year}",
        segments=(
            ("Nieaktywni klienci", "Bez zamówienia od 90 dni; oferta powrotu, najpierw {place}."),
            ("Subskrybenci newslettera", "Zapisani przez stronę, {quarter}; zgoda na kontakt w aktach."),
            ("Okresy próbne", "Start: {quarter}, plan jeszcze nie wybrany."),
            ("Kontakty z targów", "Identyfikatory zeskanowane na stoisku: {place}. Do kwalifikacji."),
            ("Odnowienia umów", "Umowy do końca: {quarter}; warunki u opiekuna."),
            ("Stali klienci", "Program lojalnościowy, region: {place}. Tylko podziękowanie."),
            ("Przypomnienia o wizytach", "Wizyty w oddziale: {place}; potwierdzić dzień wcześniej."),
            ("Badanie satysfakcji", "Zakup: {quarter}; trzy pytania, dwie minuty."),
        ),
        names=("{segment} – {place}", "{segment}, {quarter}", "{place}: {segment}"),
        campaigns=("{segment}, {quarter}", "Telefony – {place}", "Kontakt ponowny, {quarter}"),
        phone_columns=("telefon", "numer_telefonu", "komorka", *_COLUMNS[:2]),
    ),
    "zh": Vocabulary(
        quarter="{year}年第{q}季度",
        segments=(
            ("沉睡客户", "90天未下单,先从{place}开始电话回访。"),
            ("邮件订阅用户", "{quarter}在网站订阅,已同意接听电话。"),
            ("试用用户", "{quarter}开始试用,尚未选择套餐。"),
            ("展会线索", "{place}展会收集的名片,需先确认需求。"),
            ("合同续签", "{quarter}后到期的合同。"),
            ("会员客户", "{place}地区会员,仅致谢回访。"),
            ("预约提醒", "{place}门店的预约,提前一天确认。"),
            ("满意度调查", "{quarter}的购买者,三个问题,两分钟。"),
        ),
        names=("{segment}({place})", "{segment} {quarter}", "{place} {segment}"),
        campaigns=("{segment} {quarter}", "{place}外呼", "{quarter}回访"),
        phone_columns=("电话", "手机号", *_COLUMNS[:4]),
    ),
    "ko": Vocabulary(
        quarter="{year}년 {q}분기",
        segments=(
            ("휴면 고객", "90일간 주문 없음. {place}부터 전화로 재안내."),
            ("뉴스레터 구독자", "{quarter} 웹사이트 가입, 통화 동의 완료."),
            ("무료 체험", "{quarter} 시작, 요금제 미선택."),
            ("전시회 리드", "{place} 부스에서 받은 명함. 먼저 요구를 확인."),
            ("계약 갱신", "{quarter} 이후 만료되는 계약."),
            ("우수 고객", "{place} 지역 회원. 감사 전화만."),
            ("예약 확인", "{place} 지점 예약, 하루 전 확인."),
            ("만족도 조사", "{quarter} 구매자. 질문 3개, 2분."),
        ),
        names=("{segment} – {place}", "{segment} {quarter}", "{place} {segment}"),
        campaigns=("{segment} {quarter}", "{place} 아웃바운드", "{quarter} 후속 통화"),
        phone_columns=("전화번호", "휴대폰", *_COLUMNS[:4]),
    ),
}
